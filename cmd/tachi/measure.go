package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
)

// What each stage costs is measured one stage after the other, each with the machine to itself: the source by reading, the
// others in place (timing.go), in as many runs of the pipeline as there are stages. Nothing is left behind.

// firings is how often each stage is timed.
const firings = 10

// costs measures all stages of a pipeline.
func (c *pipelineFlags) costs(a *app, e *engine) (map[string]analyze.Cost, error) {
	dir, err := os.MkdirTemp("", "tachi-plan-")
	if err != nil {
		return nil, &graph.Error{Kind: graph.BadOutput, Err: err}
	}
	defer os.RemoveAll(dir)
	c.Out = dir
	if e.loaded, err = c.load(); err != nil { // the same, with its outputs in that folder
		return nil, err
	}
	if err := e.fit(); err != nil {
		return nil, err
	}
	costs := map[string]analyze.Cost{}
	source := e.plan.Source()
	if costs[source.ID], err = readCost(a, e, source); err != nil {
		return nil, err
	}
	for _, id := range ids(e.plan) {
		t, err := e.time(a.ctx, id, firings, nil)
		if err != nil {
			return nil, err
		}
		costs[id] = t.cost()
	}
	return costs, nil
}

// readCost times a source that nobody holds back.
func readCost(a *app, e *engine, source *graph.PlanNode) (analyze.Cost, error) {
	env := *e.env
	env.Stage = source.ID
	node, err := source.Stage.Open(&env, source.Options)
	if err != nil {
		return analyze.Cost{}, fmt.Errorf("%s: %w", source.ID, err)
	}
	begun, before, frames := time.Now(), processTime(), 0
	err = node.Run(a.ctx, func(any) error {
		if frames++; frames == 2*full {
			return graph.ErrDrained
		}
		return nil
	})
	if node.Close != nil {
		err = errors.Join(err, node.Close(err))
	}
	if err != nil && !errors.Is(err, graph.ErrDrained) {
		return analyze.Cost{}, fmt.Errorf("%s: %w", source.ID, err)
	}
	n := float64(max(frames, 1))
	return analyze.Cost{Seconds: time.Since(begun).Seconds() / n, Compute: (processTime() - before).Seconds() / n}, nil
}

// whatIf changes costs as "encode=0.5x" says.
func whatIf(costs map[string]analyze.Cost, change string) (map[string]analyze.Cost, error) {
	id, factor, _ := strings.Cut(change, "=")
	by, err := strconv.ParseFloat(strings.TrimSuffix(factor, "x"), 64)
	c, ok := costs[id]
	if err != nil || !ok || !(by >= 0) || !strings.HasSuffix(factor, "x") {
		var names []string
		for n := range costs {
			names = append(names, n)
		}
		slices.Sort(names)
		return nil, usagef("--what-if %s: write STAGE=FACTORx, e.g. encode=0.5x; the stages are %s", change, strings.Join(names, ", "))
	}
	out := map[string]analyze.Cost{}
	for n, old := range costs {
		out[n] = old
	}
	out[id] = analyze.Cost{Seconds: c.Seconds * by, Compute: c.Compute * by}
	return out, nil
}

// forecast is a prediction with what it was made of.
type forecast struct {
	If    string                  `json:"what_if,omitempty"`
	FPS   float64                 `json:"frames_per_second"`
	Costs map[string]analyze.Cost `json:"costs,omitempty"`
	analyze.Prediction
}

// predict measures, and says how fast the plan will go as it is and with each change.
func (c *planCmd) predict(a *app, e *engine) (all []forecast, err error) {
	plan := e.plan
	costs, err := c.costs(a, e)
	if err != nil {
		return nil, err
	}
	add := func(change string, with map[string]analyze.Cost) {
		p := analyze.Predict(plan, with, cpu.Processors())
		all = append(all, forecast{If: change, FPS: 1 / p.Period, Prediction: p})
	}
	add("", costs)
	all[0].Costs = costs
	for _, change := range c.WhatIf {
		with, err := whatIf(costs, change)
		if err != nil {
			return nil, err
		}
		add(change, with)
	}
	return all, nil
}

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/seed49bbd0e6/tachi/cmd/tachi/internal/measure"
	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
	"github.com/seed49bbd0e6/tachi/pipelines"
)

// planCmd says how much device memory a pipeline will take, and whether it can run.
type planCmd struct {
	pipelineFlags
	WhatIf  []string `sep:"none" placeholder:"STAGE=FACTORx" help:"With --measure: how fast it would go if a stage took that share of its time, e.g. encode=0.5x. May be repeated."`
	Measure bool     `help:"Time each stage by itself on this machine and say how fast the whole will go, and what limits it."`
	Budget  string   `placeholder:"SIZE" help:"Device memory that there is, e.g. 2GiB: the same as --set pipeline.memory=SIZE."`
}

// Run prints the bound of every stage, the loops and the proof that the plan is live.
func (c *planCmd) Run(a *app) (err error) {
	if c.Budget != "" {
		c.Set = append(c.Set, "pipeline.memory="+c.Budget)
	}
	pipeline, err := c.load()
	if err != nil {
		return err
	}
	if len(c.WhatIf) > 0 && !c.Measure {
		return usagef("--what-if changes what --measure has measured: give both")
	}
	plan, err := a.plan(pipeline, pipelines.Options{Overwrite: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plan.Close()) }()
	var forecasts []forecast
	if c.Measure {
		a.interruptible()
		if err := plan.Load(); err != nil {
			return err
		}
		if forecasts, err = c.predict(a, plan); err != nil {
			return err
		}
	}
	if a.JSON {
		err := writeJSON(a, plan.Bound)
		for _, f := range forecasts {
			err = errors.Join(err, writeJSON(a, f))
		}
		return err
	}
	size := "of unknown size, planned for 3840x2160"
	if plan.Probe.Width > 0 {
		size = fmt.Sprintf("%dx%d", plan.Probe.Width, plan.Probe.Height)
	}
	fmt.Fprintf(a.out, "%s, input %s: %d frames resident at most, %d in one launch of the encoder\n\n", plan.Graph.File, size, plan.Graph.Pipeline.Batch, plan.Graph.Pipeline.Micro)
	if err := plan.Bound.WriteText(a.out); err != nil {
		return &graph.Error{Kind: graph.BadOutput, Err: err}
	}
	for _, cycle := range plan.Graph.Cycles() {
		var names []string
		for _, n := range cycle {
			names = append(names, n.ID)
		}
		fmt.Fprintf(a.out, "cycle: %s -> %s\n", strings.Join(names, " -> "), names[0])
	}
	fmt.Fprintln(a.out, "deadlock-free: yes")
	for i, f := range forecasts {
		what := "predicted"
		if i > 0 {
			what = f.If
		}
		fmt.Fprintf(a.out, "%s: %.1f frames/s, limited by %s\n", what, f.FPS, f.Why)
	}
	return nil
}

// forecast is a prediction with what it was made of.
type forecast struct {
	If    string                  `json:"what_if,omitempty"`
	FPS   float64                 `json:"frames_per_second"`
	Costs map[string]analyze.Cost `json:"costs,omitempty"`
	analyze.Prediction
}

// predict measures, and says how fast the plan will go as it is and with each change. What the
// stages write goes to a temporary folder.
func (c *planCmd) predict(a *app, plan *pipelines.Plan) (all []forecast, err error) {
	dir, err := os.MkdirTemp("", "tachi-plan-")
	if err != nil {
		return nil, &graph.Error{Kind: graph.BadOutput, Err: err}
	}
	defer os.RemoveAll(dir)
	c.Out = dir
	pipeline, err := c.load()
	if err != nil {
		return nil, err
	}
	same, err := a.plan(pipeline, pipelines.Options{Model: plan.Model(), Overwrite: true})
	if err != nil {
		return nil, err
	}
	if err := same.Load(); err != nil {
		return nil, err
	}
	costs, err := measure.Costs(a.ctx, same)
	if err != nil {
		return nil, err
	}
	add := func(change string, with map[string]analyze.Cost) {
		p := analyze.Predict(plan.Graph, with, cpu.Processors())
		all = append(all, forecast{If: change, FPS: 1 / p.Period, Prediction: p})
	}
	add("", costs)
	all[0].Costs = costs
	for _, change := range c.WhatIf {
		with, err := measure.WhatIf(costs, change)
		if err != nil {
			return nil, err
		}
		add(change, with)
	}
	return all, nil
}

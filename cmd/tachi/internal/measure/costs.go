package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/pipelines"
)

// What each stage costs is measured one stage after the other, each with the machine to itself: the
// source by reading, the others in place (timing.go), in as many runs of the pipeline as there are
// stages. Nothing is left behind.

// firings is how often each stage is timed.
const firings = 10

// Costs measures all stages of a plan. It writes the plan's outputs anew in every run.
func Costs(ctx context.Context, p *pipelines.Plan) (map[string]analyze.Cost, error) {
	costs := map[string]analyze.Cost{}
	source := p.Graph.Source()
	var err error
	if costs[source.ID], err = readCost(ctx, p, source); err != nil {
		return nil, err
	}
	for _, id := range Stages(p.Graph) {
		t, err := Stage(ctx, p, id, firings, nil)
		if err != nil {
			return nil, err
		}
		costs[id] = t.Cost()
	}
	return costs, nil
}

// readCost times a source that nobody holds back.
func readCost(ctx context.Context, p *pipelines.Plan, source *graph.PlanNode) (analyze.Cost, error) {
	env := *p.Env
	env.Stage = source.ID
	node, err := source.Stage.Open(&env, source.Options)
	if err != nil {
		return analyze.Cost{}, fmt.Errorf("%s: %w", source.ID, err)
	}
	begun, before, frames := time.Now(), processTime(), 0
	err = node.Run(ctx, func(any) error {
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

// WhatIf changes costs as "encode=0.5x" says.
func WhatIf(costs map[string]analyze.Cost, change string) (map[string]analyze.Cost, error) {
	id, factor, _ := strings.Cut(change, "=")
	by, err := strconv.ParseFloat(strings.TrimSuffix(factor, "x"), 64)
	c, ok := costs[id]
	if err != nil || !ok || !(by >= 0) || !strings.HasSuffix(factor, "x") {
		var names []string
		for n := range costs {
			names = append(names, n)
		}
		slices.Sort(names)
		return nil, graph.Errorf(graph.BadUsage, "--what-if %s: write STAGE=FACTORx, e.g. encode=0.5x; the stages are %s", change, strings.Join(names, ", "))
	}
	out := map[string]analyze.Cost{}
	for n, old := range costs {
		out[n] = old
	}
	out[id] = analyze.Cost{Seconds: c.Seconds * by, Compute: c.Compute * by}
	return out, nil
}

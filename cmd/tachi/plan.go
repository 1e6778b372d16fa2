package main

import (
	"fmt"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/null"
	"github.com/seed49bbd0e6/tachi/stages"
)

// planCmd says how much device memory a pipeline will take, and whether it can run.
type planCmd struct {
	pipelineFlags
	Budget string `placeholder:"SIZE" help:"Device memory that there is, e.g. 2GiB: the same as --set pipeline.memory=SIZE."`
}

// Run prints the bound of every stage, the loops and the proof that the plan is live.
func (c *planCmd) Run(a *app) error {
	if c.Budget != "" {
		c.Set = append(c.Set, "pipeline.memory="+c.Budget)
	}
	plan, err := c.load()
	if err != nil {
		return err
	}
	probe, err := a.probe(plan)
	if err != nil {
		return err
	}
	dev, err := openDevice(plan)
	if err != nil {
		return err
	}
	defer dev.Close()
	bound, err := plan.Fit(probe.Width, probe.Height, func() (*graph.Bound, error) { return bound(plan, probe, dev) })
	if err != nil {
		return err
	}
	if a.JSON {
		return writeJSON(a, bound)
	}
	size := "of unknown size, planned for 3840x2160"
	if probe.Width > 0 {
		size = fmt.Sprintf("%dx%d", probe.Width, probe.Height)
	}
	fmt.Fprintf(a.out, "%s, input %s: %d frames resident at most, %d in one launch of the encoder\n\n", plan.File, size, plan.Pipeline.Batch, plan.Pipeline.Micro)
	if err := bound.WriteText(a.out); err != nil {
		return &graph.Error{Kind: graph.BadOutput, Err: err}
	}
	return nil
}

// bound runs a plan dry on a device like dev.
func bound(plan *graph.Plan, probe graph.Probe, dev kernels.Device) (*graph.Bound, error) {
	dry := null.Like(dev)
	env := &graph.Env{Device: dry, Batch: plan.Pipeline.Batch, Micro: plan.Pipeline.Micro}
	b := &graph.Bound{Batch: env.Batch, Micro: env.Micro}
	if plan.Model.Set {
		model, err := stages.DryModel(dry, plan.Model)
		if err != nil {
			return nil, err
		}
		defer model.Close()
		env.Model, b.Weights = model.Network, model.Bytes
	}
	// The network finds everything on every frame, so that memories fill up; then it loses and finds in turn.
	feet, err := plan.Measure(graph.Dry{Env: env, Probe: probe, Moods: 2, Before: func(mood, frame int) { dry.Answer(float32(1 - mood*(frame&1))) }})
	if err != nil {
		return nil, err
	}
	b.Feet, b.Scratch = feet, dry.Scratch()
	return b, nil
}

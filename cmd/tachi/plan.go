package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/null"
	"github.com/seed49bbd0e6/tachi/stages"
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
	plan, err := c.load()
	if err != nil {
		return err
	}
	if len(c.WhatIf) > 0 && !c.Measure {
		return usagef("--what-if changes what --measure has measured: give both")
	}
	e, err := a.settle(plan, analyze.Sizing{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	var forecasts []forecast
	if c.Measure {
		a.interruptible()
		if err := e.load(a); err != nil {
			return err
		}
		if forecasts, err = c.predict(a, e); err != nil {
			return err
		}
	}
	if a.JSON {
		err := writeJSON(a, e.bound)
		for _, f := range forecasts {
			err = errors.Join(err, writeJSON(a, f))
		}
		return err
	}
	size := "of unknown size, planned for 3840x2160"
	if e.probe.Width > 0 {
		size = fmt.Sprintf("%dx%d", e.probe.Width, e.probe.Height)
	}
	fmt.Fprintf(a.out, "%s, input %s: %d frames resident at most, %d in one launch of the encoder\n\n", plan.File, size, e.plan.Pipeline.Batch, e.plan.Pipeline.Micro)
	if err := e.bound.WriteText(a.out); err != nil {
		return &graph.Error{Kind: graph.BadOutput, Err: err}
	}
	for _, cycle := range plan.Cycles() {
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

// bound runs a plan dry on a device like dev.
func bound(plan *graph.Plan, probe graph.Probe, dev kernels.Device) (*analyze.Bound, error) {
	dry := null.Like(dev)
	env := &graph.Env{Device: dry, Batch: plan.Pipeline.Batch, Micro: plan.Pipeline.Micro}
	b := &analyze.Bound{Batch: env.Batch, Micro: env.Micro}
	if isGPU(dev) { // which of several GPUs decodes is not asked
		b.Surfaces = probe.Surfaces
	}
	if plan.Model.Set {
		model, err := stages.DryModel(dry, plan.Model)
		if err != nil {
			return nil, err
		}
		defer model.Close()
		env.Model, b.Weights = model.Network, model.Bytes
	}
	// The network finds everything on every frame, so that memories fill up; then it loses and finds in turn.
	d := analyze.Dry{Env: env, Probe: probe, Scenarios: 2, Before: func(scenario, frame int) { dry.Answer(float32(1 - scenario*(frame&1))) }}
	var err error
	b.Footprints, b.Scratch, err = analyze.MeasureAll(plan, d, dry.Scratch)
	return b, err
}

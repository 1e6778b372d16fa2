package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/cmd/tachi/internal/measure"
	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
	"github.com/seed49bbd0e6/tachi/pipelines"
	"github.com/seed49bbd0e6/tachi/runtime"
)

// benchCmd measures.
type benchCmd struct {
	pipelineFlags
	Stage    string `placeholder:"ID" help:"Measure this stage alone, fed again and again with what it gets once the memory is full."`
	Frames   int    `default:"0" help:"Frames to run, for a source that has this option; 0 for what the file says."`
	Count    int    `default:"10" help:"Firings to time with --stage."`
	GoFormat bool   `help:"Print lines that benchstat reads."`
	Roofline bool   `help:"Print, for every op, how near it comes to what the machine can do."`
	Limits   bool   `help:"Print what this machine can do at most: multiply-adds and copying."`
}

// Run measures the whole pipeline, or one stage of it. Outputs go to a temporary folder.
func (c *benchCmd) Run(a *app) (err error) {
	if c.Limits {
		return limits(a)
	}
	if c.Count < 1 || c.Frames < 0 {
		return usagef("--count must be at least 1, and --frames not below 0")
	}
	if c.Out == "" {
		if c.Out, err = os.MkdirTemp("", "tachi-bench-"); err != nil {
			return &graph.Error{Kind: graph.BadOutput, Err: err}
		}
		defer os.RemoveAll(c.Out)
	}
	pipeline, err := c.load()
	if err == nil && c.Frames > 0 {
		c.Set = append(c.Set, fmt.Sprintf("stages.%s.frames=%d", pipeline.Graph.Source().ID, c.Frames))
		pipeline, err = c.load()
	}
	if err != nil {
		return err
	}
	if all := measure.Stages(pipeline.Graph); c.Stage != "" && !slices.Contains(all, c.Stage) {
		return usagef("--stage %s: no such stage to measure: %s", c.Stage, cmp.Or(graph.Suggest(c.Stage, all), "there are "+strings.Join(all, ", ")))
	}
	a.interruptible()
	if c.Roofline {
		return c.roofline(a, pipeline)
	}
	plan, err := a.ready(pipeline, pipelines.Options{Overwrite: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plan.Close()) }()

	if c.Stage != "" {
		return c.one(a, plan)
	}
	p := a.progress(plan)
	report, err := plan.Run(a.ctx, runtime.Options{Drain: a.drain, Progress: p.show})
	p.done()
	if err != nil {
		return interrupted(err, report)
	}
	if c.GoFormat {
		line := func(name string, frames int, ns int64) {
			fmt.Fprintf(a.out, "Benchmark%s %d %d ns/frame\n", name, frames, ns/max(int64(frames), 1))
		}
		line("Pipeline", report.Frames, report.Wall.Nanoseconds())
		for _, s := range report.Stages {
			line("Stage/"+s.ID, int(s.Frames), s.Busy.Nanoseconds())
		}
		return nil
	}
	a.summary(plan, report)
	return nil
}

// limits prints the machine's ceilings, for reading other figures against.
func limits(a *app) error {
	dev, err := cpu.New(0)
	if err != nil {
		return err
	}
	defer dev.Close()
	flops, bandwidth := dev.PeakFLOPS()/1e9, dev.CopyBandwidth()/1e9
	if a.JSON {
		return writeJSON(a, map[string]any{"peak_gflops": flops, "copy_gbs": bandwidth, "device": dev.Info()})
	}
	_, err = fmt.Fprintf(a.out, "%s\nFMA peak %.0f GFLOP/s, copy %.0f GB/s\n", pipelines.DeviceLine(dev), flops, bandwidth)
	return err
}

// one measures a stage alone.
func (c *benchCmd) one(a *app, plan *pipelines.Plan) error {
	t, err := measure.Stage(a.ctx, plan, c.Stage, c.Count, nil)
	switch {
	case err != nil:
		return err
	case c.GoFormat:
		return t.WriteGo(a.out)
	case a.JSON:
		return writeJSON(a, t)
	}
	_, err = fmt.Fprintln(a.out, t)
	return err
}

// roofline measures the ops of every stage.
func (c *benchCmd) roofline(a *app, pipeline *pipelines.Pipeline) (err error) {
	var recorder *measure.Recorder
	plan, err := a.plan(pipeline, pipelines.Options{Overwrite: true, WrapDevice: func(dev kernels.Device) kernels.Device {
		recorder = measure.NewRecorder(dev)
		return recorder
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plan.Close()) }()
	r, err := recorder.Measure(a.ctx, plan, c.Count)
	switch {
	case err != nil:
		return err
	case a.JSON:
		return writeJSON(a, r)
	}
	return r.WriteText(a.out)
}

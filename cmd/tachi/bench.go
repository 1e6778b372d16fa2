package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
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
	plan, err := c.load()
	if err == nil && c.Frames > 0 {
		c.Set = append(c.Set, fmt.Sprintf("stages.%s.frames=%d", plan.Source().ID, c.Frames))
		plan, err = c.load()
	}
	if err != nil {
		return err
	}
	if all := ids(plan); c.Stage != "" && !slices.Contains(all, c.Stage) {
		return usagef("--stage %s: no such stage to measure: %s", c.Stage, cmp.Or(graph.Suggest(c.Stage, all), "there are "+strings.Join(all, ", ")))
	}
	a.interruptible()
	if c.Roofline {
		e, err := a.settle(plan, analyze.Sizing{})
		if err != nil {
			return err
		}
		e.env.Overwrite = true
		return errors.Join(c.roofline(a, e), e.close())
	}
	e, err := a.engine(plan, analyze.Sizing{}, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()

	if c.Stage != "" {
		return c.one(a, e)
	}
	p := a.progress(e)
	report, err := e.run(a, runtime.Options{Drain: a.drain, Progress: p.show})
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
	a.summary(e, report)
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
	_, err = fmt.Fprintf(a.out, "%s\nFMA peak %.0f GFLOP/s, copy %.0f GB/s\n", deviceLine(dev), flops, bandwidth)
	return err
}

// one measures a stage alone.
func (c *benchCmd) one(a *app, e *engine) error {
	t, err := e.time(a.ctx, c.Stage, c.Count, nil)
	if err != nil {
		return err
	}
	return t.print(a, c.GoFormat)
}

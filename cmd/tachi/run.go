package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/runtime"
)

// runCmd runs a pipeline.
type runCmd struct {
	pipelineFlags
	Overwrite bool   `help:"Replace existing outputs."`
	Trace     string `placeholder:"JSON" help:"Write a trace of every firing, for ui.perfetto.dev."`
}

// Run checks everything it can before the first frame, runs, and sums up.
func (c *runCmd) Run(a *app) (err error) {
	plan, err := c.load()
	if err != nil {
		return err
	}
	e, err := a.engine(plan, c.Overwrite)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()

	o := runtime.Options{Drain: a.drain}
	if c.Trace != "" {
		f, err := os.Create(c.Trace)
		if err != nil {
			return &graph.Error{Kind: graph.BadOutput, Err: err}
		}
		defer f.Close()
		o.Trace = f
	}
	p := a.progress(e)
	o.Progress, o.Every = p.show, 200*time.Millisecond
	report, err := runtime.Run(a.ctx, plan, e.env, o)
	p.done()
	if report != nil && report.Frames > 0 {
		a.summary(e, report)
	}
	return err
}

// summary prints what a run did.
func (a *app) summary(e *engine, r *runtime.Report) {
	fps := float64(r.Frames) / r.Wall.Seconds()
	if a.JSON {
		_ = writeJSON(a, map[string]any{"frames": r.Frames, "seconds": r.Wall.Seconds(), "fps": fps, "batch": r.Batch,
			"peak_resident": r.PeakResident, "device_peak_bytes": e.dev.Peak(), "stages": r.Stages, "outputs": outputs(e.plan)})
		return
	}
	if a.Quiet {
		return
	}
	_ = r.WriteTable(a.out)
	fmt.Fprintf(a.out, "device memory: at most %s\n", mib(int64(e.dev.Peak())))
	for _, path := range outputs(e.plan) {
		if info, err := os.Stat(path); err == nil {
			size := mib(info.Size())
			if info.IsDir() {
				size = "folder"
			}
			fmt.Fprintf(a.out, "wrote %s (%s)\n", path, size)
		}
	}
}

// progress shows one bar on a terminal and nothing elsewhere. On a CPU it says first how long the whole will take, as
// soon as frames have been measured.
type progress struct {
	a     *app
	e     *engine
	bar   *progressbar.ProgressBar
	start time.Time
	said  bool
}

func (a *app) progress(e *engine) *progress {
	p := &progress{a: a, e: e, start: time.Now()}
	if a.Quiet || a.JSON {
		return p
	}
	if isTerminal(a.err) {
		total := int64(-1)
		if e.probe.Frames > 0 {
			total = int64(e.probe.Frames)
		}
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(a.err), progressbar.OptionSetDescription("tracking"),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("frames"),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	return p
}

// warm is the number of frames after which the time per frame tells something.
const warm = 3

func (p *progress) show(s runtime.Snapshot) {
	if p.a.Quiet || p.a.JSON {
		return
	}
	if !p.said && s.Frames >= warm {
		p.said = true
		perFrame := time.Since(p.start).Seconds() / float64(s.Frames)
		if rest := perFrame * float64(p.e.probe.Frames); p.e.probe.Frames > 0 && rest > 10 {
			faster := ""
			if v := p.e.plan.Model.Variant; v != "nano" && perFrame > 0.2 {
				faster = "; faster: a smaller --variant, or --set model.config.image_size=512"
			}
			fmt.Fprintf(p.a.err, "%d frames x %.2f s = about %s%s\n", p.e.probe.Frames, perFrame, clock(rest), faster)
		}
	}
	if p.bar != nil {
		p.bar.Describe("tracking, " + s.Limit + " limits")
		_ = p.bar.Set(s.Frames)
	}
}

func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/pipelines"
	"github.com/seed49bbd0e6/tachi/runtime"
	"github.com/seed49bbd0e6/tachi/stages/output"
)

// runCmd runs a pipeline.
type runCmd struct {
	pipelineFlags
	runFlags
}

// runFlags are the flags of a run.
type runFlags struct {
	Overwrite       bool   `help:"Replace existing outputs."`
	Boxes           string `placeholder:"DIR" help:"With several videos: a folder with NAME.txt for each, whose first line is the box x,y,w,h of its first frame, or NAME.json with prompts."`
	Jobs            int    `default:"1" help:"With several videos: how many at once. Each takes device memory of its own."`
	CheckpointEvery int    `name:"checkpoint-every" placeholder:"N" help:"Save every N frames what it takes to go on from there."`
	Checkpoint      string `placeholder:"FILE" help:"Where the checkpoint is kept; checkpoint.tachi beside the first output when not given."`
	Resume          bool   `help:"Go on from the checkpoint of a run that ended early."`
	Force           bool   `help:"Run a plan even though it will stop for ever."`
	LogMemory       bool   `name:"log-memory" help:"Log the device memory of each stage after each of its firings, and the memory of the process."`
	Metrics         string `placeholder:"ADDRESS" help:"Serve metrics for Prometheus at an address, e.g. :9090, under /metrics."`
	Trace           string `placeholder:"JSON" help:"Write a trace of every firing, for ui.perfetto.dev."`
}

// Run checks everything it can before the first frame, runs, and sums up.
func (c *runCmd) Run(a *app) (err error) {
	switch {
	case c.CheckpointEvery < 0:
		return usagef("--checkpoint-every %d: must be at least 1", c.CheckpointEvery)
	case c.Checkpoint != "" && c.CheckpointEvery == 0 && !c.Resume:
		return usagef("--checkpoint says where: give --checkpoint-every N or --resume with it")
	}
	if all, err := c.videos(); err != nil {
		return err
	} else if all != nil {
		return c.many(a, all)
	}
	pipeline, err := c.load()
	if err != nil {
		return err
	}
	a.interruptible()
	a.begun.Store(false)
	var saved *pipelines.Checkpoints
	defer func() { // last of all: until then a run that is killed can go on
		if saved != nil {
			saved.End(err)
		}
	}()
	o := runtime.Options{Drain: a.drain}
	if c.CheckpointEvery > 0 || c.Resume {
		s, failed := c.checkpoints(a, pipeline, &o)
		if failed != nil {
			return failed
		}
		saved = s
	}
	plan, err := a.ready(pipeline, pipelines.Options{Force: c.Force, Overwrite: c.Overwrite})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plan.Close()) }()
	a.begun.Store(true)

	if c.Trace != "" {
		trace, failed := output.Create(c.Trace, c.Overwrite)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, trace.Commit()) }() // of a failed run as well
		o.Trace = trace
	}
	if c.LogMemory {
		o.Fired = a.logMemory
	}
	p := a.progress(plan)
	o.Progress, o.Every = p.show, 200*time.Millisecond
	if c.Metrics != "" {
		m, failed := serveMetrics(c.Metrics)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, m.close()) }()
		a.log.Info().Msgf("metrics at http://%s/metrics", m.where)
		o.Progress = func(s runtime.Snapshot) { m.last.Store(&s); p.show(s) }
	}
	report, err := plan.Run(a.ctx, o)
	p.done()
	if report.Frames > 0 {
		a.summary(plan, report)
	}
	return interrupted(err, report)
}

// checkpoints lets a run save where it can go on, and go on from where an earlier one has saved.
func (c *runCmd) checkpoints(a *app, p *pipelines.Pipeline, o *runtime.Options) (*pipelines.Checkpoints, error) {
	s, err := p.Checkpoints(c.Checkpoint, c.CheckpointEvery)
	if err != nil {
		return nil, err
	}
	if c.Resume {
		if o.Resume, err = s.Load(); err != nil {
			return nil, err
		}
		a.log.Info().Msgf("going on at frame %d", o.Resume.Frame)
	} else if err = s.Check(); err != nil {
		return nil, err
	}
	o.CheckpointEvery, o.Checkpoint = s.Every(), s.Save
	return s, nil
}

// logMemory logs what a stage has on the device after a firing, and what the process has.
func (a *app) logMemory(f runtime.Firing) {
	a.log.Info().Str("stage", f.Stage).Int("frame", f.Frame).Int("frames", f.Frames).Int("device_bytes", f.Stats.Resident).
		Int("device_bound_bytes", f.Stats.Bound).Int("process_bytes", processBytes()).Msg("memory")
}

// processBytes returns the memory of the process that is in use, 0 where the system does not tell.
func processBytes() int {
	text, _ := os.ReadFile("/proc/self/statm")
	var size, resident int
	_, _ = fmt.Sscan(string(text), &size, &resident)
	return resident * os.Getpagesize()
}

// interrupted says in plain words that a run was ended from outside.
func interrupted(err error, r *runtime.Report) error {
	if graph.KindOf(err) == graph.RunFailed && (errors.Is(err, graph.ErrDrained) || errors.Is(err, context.Canceled)) {
		return fmt.Errorf("%w after %d frames", errInterrupted, r.Frames)
	}
	return err
}

// summary prints what a run did, and where it left what it wrote.
func (a *app) summary(p *pipelines.Plan, r *runtime.Report) {
	wrote, unfinished := p.Written()
	if a.JSON {
		seconds := func(d time.Duration) float64 { return d.Seconds() }
		var table []map[string]any
		for _, s := range r.Stages {
			table = append(table, map[string]any{"id": s.ID, "stage": s.Stage, "frames": s.Frames, "firings": s.Firings,
				"wall_s": seconds(s.Wall), "busy_s": seconds(s.Busy), "starved_s": seconds(s.Starved), "blocked_s": seconds(s.Blocked),
				"lease_s": seconds(s.Leasing), "p50_ms": 1e3 * seconds(s.P50), "p99_ms": 1e3 * seconds(s.P99),
				"resident_bytes": s.PeakResident, "resident_bound_bytes": s.Bound})
		}
		_ = writeJSON(a, map[string]any{"frames": r.Frames, "seconds": r.Wall.Seconds(), "fps": float64(r.Frames-r.First) / r.Wall.Seconds(), "batch": r.Batch,
			"peak_resident": r.PeakResident, "resident_bytes": p.Resident(r), "resident_bound_bytes": p.Bound.Bytes(), "stages": table, "outputs": wrote, "unfinished": unfinished})
		return
	}
	if a.Quiet {
		return
	}
	_ = r.WriteTable(a.out)
	fmt.Fprintf(a.out, "device memory: at most %s of the planned %s\n", graph.Size(p.Resident(r)), graph.Size(p.Bound.Bytes()))
	for _, path := range wrote {
		_ = a.wrote(path)
	}
	for _, path := range unfinished {
		fmt.Fprintf(a.out, "left unfinished: %s\n", path)
	}
}

// progress shows one bar on a terminal and nothing elsewhere. On a CPU it says first how long the
// whole will take, as soon as frames have been measured.
type progress struct {
	a     *app
	plan  *pipelines.Plan
	bar   *progressbar.ProgressBar
	start time.Time
	said  bool
}

func (a *app) progress(plan *pipelines.Plan) *progress {
	p := &progress{a: a, plan: plan, start: time.Now()}
	if a.Quiet || a.JSON {
		return p
	}
	if isTerminal(a.err) {
		total := int64(-1)
		if plan.Probe.Frames > 0 {
			total = int64(plan.Probe.Frames)
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
		if rest := perFrame * float64(p.plan.Probe.Frames); p.plan.Probe.Frames > 0 && rest > 10 {
			faster := ""
			if v := p.plan.Graph.Model.Variant; v != "nano" && perFrame > 0.2 {
				faster = "; faster: a smaller --variant, or --set model.config.image_size=512"
			}
			if p.bar != nil {
				_ = p.bar.Clear() // its line
			}
			fmt.Fprintf(p.a.err, "%d frames x %.2g s = about %s%s\n", p.plan.Probe.Frames, perFrame, clock(rest), faster)
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

// wrote says that a file is complete.
func (a *app) wrote(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil || a.Quiet || a.JSON:
		return err
	case info.IsDir():
		fmt.Fprintf(a.out, "wrote %s (folder)\n", path)
	default:
		fmt.Fprintf(a.out, "wrote %s (%s)\n", path, graph.Size(int(info.Size())))
	}
	return nil
}

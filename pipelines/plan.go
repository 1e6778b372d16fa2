package pipelines

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/null"
	"github.com/seed49bbd0e6/tachi/runtime"
	"github.com/seed49bbd0e6/tachi/stages/model"
	"github.com/seed49bbd0e6/tachi/stages/results"
)

// A pipeline becomes a plan when its input and its device are known: the input is asked what it
// will deliver, batch and capacities are settled, and a dry run says how much device memory all of
// it takes. Only then are weights read and frames decoded.

// Options is how to plan and run a pipeline. The zero value is a plain run.
type Options struct {
	Log   zerolog.Logger
	Model *Model // opened before, to be shared; nil: the plan opens its own, and closes it

	Overwrite bool // existing outputs may be replaced
	Force     bool // run a plan that deadlocks, for demonstrations

	// Results is called with what was found on each frame, in order, while the run goes on. An
	// error ends the run. May be nil.
	Results func(Result) error

	// WrapDevice puts something around the device before anything is on it. May be nil.
	WrapDevice func(kernels.Device) kernels.Device
}

// Result is what was found on one frame.
type Result = results.Result

// ErrNoPrompt says that the pipeline has a network, and nobody has said what to track.
var ErrNoPrompt = errors.New("no prompt: nothing says what to track")

// Plan is a pipeline settled for its input and a device, with its bound. Close it when it is done.
type Plan struct {
	Graph *graph.Plan // resolved; may be replaced by an edited copy before Run
	Bound *analyze.Bound
	Probe graph.Probe // of the input
	Env   *graph.Env  // what stages get

	pipeline *Pipeline
	options  Options
	size     analyze.Sizing
	model    *Model
	owned    bool // the model is this plan's own
	opened   time.Time
}

// Plan settles the pipeline for its input. It opens a device, but reads no weights yet.
func (p *Pipeline) Plan(o Options) (*Plan, error) {
	pl := &Plan{pipeline: p, options: o, model: o.Model, opened: time.Now(), size: analyze.Sizing{Force: o.Force},
		Env: &graph.Env{Log: o.Log, Overwrite: o.Overwrite}}
	var err error
	if pl.Probe, err = p.probe(o.Log); err != nil {
		return nil, err
	}
	if pl.model == nil {
		pl.owned = true
		if pl.model, err = p.openDevice(o); err != nil {
			return nil, err
		}
	}
	pl.Env.Device = pl.model.Device
	if err := pl.fit(); err != nil {
		return nil, errors.Join(err, pl.Close())
	}
	return pl, nil
}

// probe asks the source what it will deliver, and each stage whether it can work on that. A network
// needs to be told what to track.
func (p *Pipeline) probe(log zerolog.Logger) (probe graph.Probe, err error) {
	source := p.Graph.Source()
	if source.Stage.Probe == nil {
		return probe, nil
	}
	if probe, err = source.Stage.Probe(&graph.Env{Log: log, Stage: source.ID}, source.Options); err != nil {
		return probe, fmt.Errorf("%s: %w", source.ID, err)
	}
	if probe.Objects == 0 && p.Graph.Model.Set {
		return probe, &graph.Error{Kind: graph.BadUsage, Err: ErrNoPrompt}
	}
	for _, n := range p.Graph.Nodes {
		if n.Stage.Check != nil && probe.Width > 0 {
			if err := n.Stage.Check(n.Options, probe); err != nil {
				return probe, fmt.Errorf("%s: %w", n.ID, err)
			}
		}
	}
	return probe, nil
}

// fit settles the plan for the input as it was probed, and plans the device memory that it will
// need.
func (pl *Plan) fit() (err error) {
	measure := func(p *graph.Plan) (*analyze.Bound, error) { return Bound(p, pl.Probe, pl.model.plain) }
	if pl.size.Force { // it may not get far enough to be measured
		measure = func(*graph.Plan) (*analyze.Bound, error) { return &analyze.Bound{}, nil }
	}
	pl.size.Width, pl.size.Height = pl.Probe.Width, pl.Probe.Height
	if pl.Graph, pl.Bound, err = analyze.Fit(pl.pipeline.Graph, pl.size, measure); err != nil {
		return err
	}
	pl.Env.Batch, pl.Env.Micro = pl.Graph.Pipeline.Batch, pl.Graph.Pipeline.Micro
	return nil
}

// Bound runs a resolved plan dry on a device that counts like dev and computes nothing.
func Bound(plan *graph.Plan, probe graph.Probe, dev kernels.Device) (*analyze.Bound, error) {
	dry := null.Like(dev)
	env := &graph.Env{Device: dry, Batch: plan.Pipeline.Batch, Micro: plan.Pipeline.Micro}
	b := &analyze.Bound{Batch: env.Batch, Micro: env.Micro}
	if isGPU(dev) { // which of several GPUs decodes is not asked
		b.Surfaces = probe.Surfaces
	}
	if plan.Model.Set {
		m, err := model.Dry(dry, plan.Model)
		if err != nil {
			return nil, err
		}
		defer m.Close()
		env.Model, b.Weights = m.Network, m.Bytes
	}
	// The network finds everything on every frame, so that memories fill up; then it loses and
	// finds in turn.
	d := analyze.Dry{Env: env, Probe: probe, Scenarios: 2, Before: func(scenario, frame int) { dry.Answer(float32(1 - scenario*(frame&1))) }}
	var err error
	b.Footprints, b.Scratch, err = analyze.MeasureAll(plan, d, dry.Scratch)
	return b, err
}

// Model is the device and network that the plan uses.
func (pl *Plan) Model() *Model { return pl.model }

// Load reads the weights, where the plan has a network that is not on the device yet. Run calls it.
func (pl *Plan) Load() error {
	if err := pl.model.load(pl.pipeline.Graph.Model, pl.options.Log); err != nil {
		return err
	}
	if pl.model.network != nil {
		pl.Env.Model = pl.model.network.Network
	}
	return nil
}

// Run runs the plan. If the device has no room for it after all, a smaller one is tried where the
// file leaves its size open.
func (pl *Plan) Run(ctx context.Context, o runtime.Options) (*runtime.Report, error) {
	if err := pl.Load(); err != nil {
		return &runtime.Report{}, err
	}
	for {
		plan := pl.Graph
		if pl.options.Results != nil {
			var err error
			if plan, err = results.Listen(plan, pl.options.Results); err != nil {
				return &runtime.Report{}, err
			}
		}
		report, err := runtime.Run(ctx, plan, pl.Env, o)
		full, ok := errors.AsType[*runtime.NoRoomError](err)
		switch {
		case !ok:
			return report, err
		case !pl.size.Shrink(pl.pipeline.Graph, pl.Graph):
			return report, graph.Errorf(graph.BadConfig, "%w; the plan needs %s; %s", full, graph.Size(pl.Bound.Bytes()), pl.Bound.Advice())
		}
		if err := pl.fit(); err != nil {
			return report, err
		}
		pl.options.Log.Warn().Err(full).Int("batch", pl.Env.Batch).Int("micro", pl.Env.Micro).Msg("no room on the device: fewer frames at once")
	}
}

// Resident returns the bytes that a run had on the device at most: what each stage had in its
// arena, and what stays.
func (pl *Plan) Resident(r *runtime.Report) int {
	bytes, work := pl.Bound.Weights+pl.Bound.Surfaces+pl.Bound.Scratch, 0
	for _, s := range r.Stages {
		if pl.Bound.Shared() {
			bytes += s.PeakResults
			work = max(work, s.PeakWork)
		} else {
			bytes += s.PeakResident
		}
	}
	return bytes + work
}

// Close closes the model, unless it is shared.
func (pl *Plan) Close() error {
	if !pl.owned {
		return nil
	}
	return pl.model.Close()
}

// Run plans the pipeline, runs it and closes it.
func (p *Pipeline) Run(ctx context.Context, o Options) (report *runtime.Report, err error) {
	pl, err := p.Plan(o)
	if err != nil {
		return &runtime.Report{}, err
	}
	defer func() { err = errors.Join(err, pl.Close()) }()
	return pl.Run(ctx, runtime.Options{})
}

package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/graph/load"

	goruntime "runtime"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/runtime"
	"github.com/seed49bbd0e6/tachi/stages"
)

// pipelineFlags are the flags of every verb that takes a pipeline.
type pipelineFlags struct {
	File      string   `arg:"" name:"pipeline" help:"Pipeline file, e.g. pipelines/samurai.toml."`
	Input     []string `short:"i" name:"input" sep:"none" placeholder:"PATH" help:"Video: the path of the source. '-' reads standard input. The file's own prompts are dropped with its video. With run it may be repeated, or name a folder of videos."`
	Box       string   `placeholder:"X,Y,W,H" help:"The object on the first frame, in stored pixels of the upright picture: those of tachi frame. A player may show others."`
	Point     []string `placeholder:"X,Y[,LABEL]" sep:"none" help:"A click on the object, or off it with label 0. May be repeated."`
	Mask      string   `placeholder:"PNG" help:"The object as a picture of the frame's size, nonzero where the object is."`
	Prompts   string   `placeholder:"JSON" help:"Prompts for several objects, on any frame."`
	Out       string   `short:"o" placeholder:"DIR" help:"Folder for the outputs with relative paths."`
	Device    string   `placeholder:"NAME" help:"auto, cpu, cuda or cuda:N. auto is the first GPU where this program has one to use."`
	Precision string   `placeholder:"NAME" help:"auto, f32, bf16 or f16: what products multiply in. auto is f16 on cuda and f32 on the cpu, which has no other."`
	Variant   string   `placeholder:"NAME" help:"${variants}."`
	Weights   string   `placeholder:"PATH" help:"Official .pt or Hugging Face .safetensors checkpoint, or a Hugging Face folder."`
	Set       []string `placeholder:"KEY=VALUE" sep:"none" help:"Set any key of the file, e.g. --set stages.output.path=x.mp4. May be repeated."`
}

// load reads and checks the file with the flags laid over it.
func (f *pipelineFlags) load() (*graph.Plan, error) {
	input := ""
	switch len(f.Input) {
	case 0:
	case 1:
		input = f.Input[0]
	default:
		return nil, usagef("-i: only run takes several videos")
	}
	o := load.Overrides{Set: f.Set, Input: input, Out: f.Out, Device: f.Device, Precision: f.Precision, Variant: f.Variant, Weights: f.Weights}
	if input != "" || f.Box != "" || len(f.Point) > 0 || f.Mask != "" || f.Prompts != "" {
		// What the file says of its own video does not hold for another one, and prompts exclude each other.
		o.Source = map[string]any{"box": []float64{}, "points": [][]float64{}, "mask": f.Mask, "prompts": f.Prompts}
	}
	if f.Box != "" {
		box, err := stages.ParseBox(f.Box)
		if err != nil {
			return nil, usagef("--%v", err)
		}
		o.Source["box"] = box
	}
	var points [][]float64
	for _, text := range f.Point {
		p, err := stages.ParsePoint(text)
		if err != nil {
			return nil, usagef("--%v", err)
		}
		points = append(points, p)
	}
	if points != nil {
		o.Source["points"] = points
	}
	return loadPlan(f.File, o)
}

// loadPlan reads a file and checks all that needs neither device, nor input, nor weights.
func loadPlan(file string, o load.Overrides) (*graph.Plan, error) {
	plan, err := load.File(file, stages.All, o)
	if err != nil {
		return nil, err
	}
	if err := stages.CheckModel(plan); err != nil {
		return nil, err
	}
	return plan, checkOutputs(plan)
}

// engine is a plan with what it takes to run it.
type engine struct {
	loaded *graph.Plan // as the file says
	plan   *graph.Plan // settled for its input, with its device memory
	size   analyze.Sizing
	probe  graph.Probe
	bound  *analyze.Bound
	env    *graph.Env
	dev    kernels.Device
	close  func() error

	opened time.Time
}

// engine settles the plan for its input, opens the device and loads the weights.
func (a *app) engine(plan *graph.Plan, size analyze.Sizing, overwrite bool) (*engine, error) {
	e, err := a.settle(plan, size)
	if err != nil {
		return nil, err
	}
	e.env.Overwrite = overwrite
	if err := e.load(a); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// settle probes the input, opens the device and says what the plan will need of it.
func (a *app) settle(plan *graph.Plan, size analyze.Sizing) (*engine, error) {
	e := &engine{loaded: plan, size: size, opened: time.Now(), env: &graph.Env{Log: a.log}}
	var err error
	if e.probe, err = a.probe(plan); err != nil {
		return nil, err
	}
	for _, n := range plan.Nodes {
		if n.Stage.Check != nil && e.probe.Width > 0 {
			if err := n.Stage.Check(n.Options, e.probe); err != nil {
				return nil, fmt.Errorf("%s: %w", n.ID, err)
			}
		}
	}
	dev, err := a.openDevice(plan)
	if err != nil {
		return nil, err
	}
	e.dev, e.env.Device = dev, dev
	e.close = dev.Close
	if err := e.fit(); err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	return e, nil
}

// load loads the weights, where the plan has a network.
func (e *engine) load(a *app) error {
	if !e.loaded.Model.Set {
		return nil
	}
	model, err := stages.LoadModel(e.env.Device, e.loaded.Model)
	if err != nil {
		return err
	}
	for _, note := range model.Notes {
		a.log.Info().Msgf("weights: %s: %s", e.plan.Model.Weights, note)
	}
	if model.Nano {
		a.once("nano", stages.NanoNote)
	}
	e.env.Model = model.Network
	e.close = func() error { model.Close(); return e.dev.Close() }
	return nil
}

// fit settles the plan for the input as it was probed, and plans the device memory that it will need.
func (e *engine) fit() (err error) {
	measure := func(p *graph.Plan) (*analyze.Bound, error) { return bound(p, e.probe, e.dev) }
	if e.size.Force {
		measure = func(*graph.Plan) (*analyze.Bound, error) { return &analyze.Bound{}, nil } // it may not get far enough to be measured
	}
	e.size.Width, e.size.Height = e.probe.Width, e.probe.Height
	if e.plan, e.bound, err = analyze.Fit(e.loaded, e.size, measure); err != nil {
		return err
	}
	e.env.Batch, e.env.Micro = e.plan.Pipeline.Batch, e.plan.Pipeline.Micro
	return nil
}

// run runs the plan. If the device has no room for it after all, a smaller one is tried where its size was left to us.
func (e *engine) run(a *app, o runtime.Options) (*runtime.Report, error) {
	for {
		report, err := runtime.Run(a.ctx, e.plan, e.env, o)
		full, ok := errors.AsType[*runtime.NoRoomError](err)
		switch {
		case !ok:
			return report, err
		case !e.size.Shrink(e.loaded, e.plan):
			return report, graph.Errorf(graph.BadConfig, "%w; the plan needs %s; %s", full, graph.Size(e.bound.Bytes()), e.bound.Advice())
		}
		if err := e.fit(); err != nil {
			return report, err
		}
		a.log.Warn().Err(full).Int("batch", e.env.Batch).Int("micro", e.env.Micro).Msg("no room on the device: fewer frames at once")
	}
}

// resident returns the bytes that a run had on the device at most: what each stage had in its arena, and what stays.
func (e *engine) resident(r *runtime.Report) int {
	bytes, work := e.bound.Weights+e.bound.Surfaces+e.bound.Scratch, 0
	for _, s := range r.Stages {
		if e.bound.Shared() {
			bytes += s.PeakResults
			work = max(work, s.PeakWork)
		} else {
			bytes += s.PeakResident
		}
	}
	return bytes + work
}

// probe asks the source what it will deliver. A network needs to be told what to track.
func (a *app) probe(plan *graph.Plan) (p graph.Probe, err error) {
	source := plan.Source()
	if source.Stage.Probe == nil {
		return p, nil
	}
	if p, err = source.Stage.Probe(&graph.Env{Log: a.log, Stage: source.ID}, source.Options); err != nil {
		return p, fmt.Errorf("%s: %w", source.ID, err)
	}
	if p.Objects == 0 && plan.Model.Set {
		return p, usagef("no prompt: say where the object is on the first frame with --box x,y,w,h (tachi frame helps to find it), --point x,y, --mask file.png or --prompts file.json")
	}
	return p, nil
}

// clock prints seconds as 12.3 s, 4m05s or 2h07m.
func clock(seconds float64) string {
	switch s := int(math.Round(seconds)); {
	case seconds < 60:
		return fmt.Sprintf("%.1f s", seconds)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	default:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
}

var goVersion = goruntime.Version()

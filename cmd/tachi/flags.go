package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/pipelines"
	"github.com/seed49bbd0e6/tachi/stages/model"
	"github.com/seed49bbd0e6/tachi/stages/prompts"
)

// pipelineFlags are the flags of every verb that takes a pipeline.
type pipelineFlags struct {
	File  string   `arg:"" name:"pipeline" help:"Pipeline file, or the name of one in this program: samurai, sam2, images, bench."`
	Input []string `short:"i" name:"input" sep:"none" placeholder:"PATH" help:"Video: the path of the source. '-' reads standard input. The file's own prompts are dropped with its video. With run it may be repeated, or name a folder of videos."`
	overrideFlags
}

// overrideFlags are what is laid over a pipeline, beside its video.
type overrideFlags struct {
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
func (f *pipelineFlags) load() (*pipelines.Pipeline, error) {
	input := ""
	switch len(f.Input) {
	case 0:
	case 1:
		input = f.Input[0]
	default:
		return nil, usagef("-i: only run takes several videos")
	}
	o := pipelines.Overrides{Set: f.Set, Input: input, Out: f.Out, Device: f.Device, Precision: f.Precision, Variant: f.Variant, Weights: f.Weights}
	if input != "" || f.Box != "" || len(f.Point) > 0 || f.Mask != "" || f.Prompts != "" {
		// What the file says of its own video does not hold for another one, and prompts exclude
		// each other.
		o.Source = map[string]any{"box": []float64{}, "points": [][]float64{}, "mask": f.Mask, "prompts": f.Prompts}
	}
	if f.Box != "" {
		box, err := prompts.ParseBox(f.Box)
		if err != nil {
			return nil, usagef("--%v", err)
		}
		o.Source["box"] = box
	}
	var points [][]float64
	for _, text := range f.Point {
		p, err := prompts.ParsePoint(text)
		if err != nil {
			return nil, usagef("--%v", err)
		}
		points = append(points, p)
	}
	if points != nil {
		o.Source["points"] = points
	}
	return pipelines.Load(f.File, o)
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

// plan settles a pipeline for its input. A network that nobody has prompted is told how to be.
func (a *app) plan(p *pipelines.Pipeline, o pipelines.Options) (*pipelines.Plan, error) {
	o.Log = a.log
	pl, err := p.Plan(o)
	if errors.Is(err, pipelines.ErrNoPrompt) {
		return nil, usagef("no prompt: say where the object is on the first frame with --box x,y,w,h (tachi frame helps to find it), --point x,y, --mask file.png or --prompts file.json")
	}
	return pl, err
}

// ready is plan with the weights loaded.
func (a *app) ready(p *pipelines.Pipeline, o pipelines.Options) (*pipelines.Plan, error) {
	pl, err := a.plan(p, o)
	if err != nil {
		return nil, err
	}
	if err := pl.Load(); err != nil {
		return nil, errors.Join(err, pl.Close())
	}
	a.noteNano(pl.Model())
	return pl, nil
}

// noteNano says once what the network in the program is worth, where it is the one in use.
func (a *app) noteNano(m *pipelines.Model) {
	if m.Embedded() {
		a.once("nano", model.NanoNote)
	}
}

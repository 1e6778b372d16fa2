// Package synthetic is a source of made-up video with ground truth: textured shapes that move. The same seed gives
// the same pictures on every machine.
package synthetic

import (
	"context"
	"fmt"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/prompt"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "synthetic".
var Stage = graph.WithProbe(graph.NewSource("synthetic", "Moving textured shapes with ground truth, from a seed. Without a prompt "+
	"every object is prompted with its true box on frame 0.", open),
	func(_ *graph.Env, o *Options) (graph.Probe, error) {
		set, _, err := o.prompts(o.scene())
		if err != nil {
			return graph.Probe{}, err
		}
		_, objects := set.At(o.Frames - 1)
		return graph.Probe{Width: o.Width, Height: o.Height, Frames: o.Frames, Rate: float64(o.FPS), Objects: len(objects)}, nil
	})

// Options describe the scene.
type Options struct {
	Width  int `toml:"width" default:"640" doc:"pixels"`
	Height int `toml:"height" default:"360" doc:"pixels"`
	Frames int `toml:"frames" default:"60" doc:"length"`
	FPS    int `toml:"fps" default:"30" doc:"frames per second"`
	Seed   int `toml:"seed" default:"1" doc:"what to draw"`
	Shapes int `toml:"shapes" default:"1" doc:"number of shapes, 1 to 5"`
	prompt.Options
}

// Validate checks ranges.
func (o *Options) Validate() error {
	for _, c := range []struct {
		key            string
		v, least, most int
	}{{"width", o.Width, 16, 8192}, {"height", o.Height, 16, 8192}, {"frames", o.Frames, 1, 1 << 30}, {"fps", o.FPS, 1, 1000}, {"shapes", o.Shapes, 1, 5}} {
		if c.v < c.least || c.v > c.most {
			return &graph.OptionError{Key: c.key, Msg: fmt.Sprintf("must be %d to %d", c.least, c.most)}
		}
	}
	return o.Options.Validate()
}

// Out is one frame.
type Out struct {
	Frame *token.Frame `port:"frame" doc:"picture in host memory, with ground truth"`
}

func (o *Options) scene() *scene { return newScene(uint64(o.Seed), o.Width, o.Height, o.Shapes) }

func (o *Options) prompts(s *scene) (*prompt.Set, []string, error) {
	if !o.Options.Empty() {
		return o.Options.Load(o.Width, o.Height)
	}
	_, truth := s.draw(0)
	var first []token.Prompt
	for _, t := range truth {
		if t.Visible {
			box := bounds(t.Mask)
			first = append(first, token.Prompt{Object: t.Object, Box: &box})
		}
	}
	return prompt.First(first), nil, nil
}

// bounds returns the box around a mask, its far sides outside the last pixels.
func bounds(m *token.Mask) token.Box {
	b := token.Box{X0: float32(m.W), Y0: float32(m.H)}
	for i, p := range m.Pix {
		if p != 0 {
			x, y := float32(i%m.W), float32(i/m.W)
			b = token.Box{X0: min(b.X0, x), Y0: min(b.Y0, y), X1: max(b.X1, x+1), Y1: max(b.Y1, y+1)}
		}
	}
	return b
}

func open(env *graph.Env, o *Options) (func(context.Context, func(*Out) error) error, func(error) error, error) {
	s := o.scene()
	set, warnings, err := o.prompts(s)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range warnings {
		env.Log.Warn().Msg(w)
	}
	stream := &token.Stream{ID: "synthetic", Width: o.Width, Height: o.Height, Rate: token.Ratio{Num: o.FPS, Den: 1},
		TimeBase: token.Ratio{Num: 1, Den: o.FPS}, Frames: o.Frames}
	run := func(_ context.Context, emit func(*Out) error) error {
		for t := range o.Frames {
			h := &token.Header{Stream: stream, Index: t, PTS: int64(t), Duration: 1}
			h.Prompts, h.Objects = set.At(t)
			rgb, truth := s.draw(t)
			if err := emit(&Out{&token.Frame{Header: h, RGB: rgb, Truth: truth}}); err != nil {
				return err
			}
		}
		return nil
	}
	return run, nil, nil
}

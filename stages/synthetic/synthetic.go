// Package synthetic is a source of made-up video with ground truth: textured things that move, hide
// each other, look alike and leave, before a textured background that a camera pans over. A clip
// follows from its family, its seed, its size and its length alone; see Families. Shapes and paths
// are computed in float64 and most of the rest in integers: the bytes are the same on every machine
// whose compiler does not fuse multiplications with additions, as on amd64.
package synthetic

import (
	"bytes"
	"context"
	"fmt"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/prompt"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "synthetic".
var Stage = graph.WithImagine(graph.WithProbe(graph.NewSource("synthetic", "Made-up video with ground truth, from a seed: a target among other objects. "+
	"Without a prompt the target, object 1, is prompted with its true box on frame 0.", open),
	func(_ *graph.Env, o *Options) (graph.Probe, error) {
		objects, prompts := o.Tally(o.Width, o.Height)
		return graph.Probe{Width: o.Width, Height: o.Height, Frames: o.Frames, Rate: float64(o.FPS), Objects: max(objects, 1), Prompts: prompts}, nil
	}), imagine)

func imagine(_ *graph.Env, o *Options, p graph.Probe, frames int) (out []*Out, err error) {
	set := prompt.First([]token.Prompt{{Object: 1, Box: &token.Box{X1: float64(o.Width), Y1: float64(o.Height)}}})
	if !o.Options.Empty() {
		if set, _, err = o.Options.Load(o.Width, o.Height); err != nil {
			return nil, err
		}
	}
	for _, f := range set.Imagine(o.Width, o.Height, frames, p.Thin) {
		out = append(out, &Out{f})
	}
	return out, nil
}

// Options describe the clip.
type Options struct {
	Width  int    `toml:"width" default:"640" doc:"pixels"`
	Height int    `toml:"height" default:"360" doc:"pixels"`
	Frames int    `toml:"frames" default:"60" doc:"length"`
	FPS    int    `toml:"fps" default:"30" doc:"frames per second"`
	Seed   int    `toml:"seed" default:"1" doc:"which clip of the family"`
	Drawn  int    `toml:"drawn" default:"0" doc:"so many frames are drawn and the others are these again, to and fro: a source that does not limit a benchmark; 0 draws all"`
	Family string `toml:"family" default:"easy" enum:"easy,occlusion,crossing,exit,tour" doc:"what happens to the target"`
	prompt.Options
}

// Validate checks ranges.
func (o *Options) Validate() error {
	for _, c := range []struct {
		key            string
		v, least, most int
	}{{"width", o.Width, 32, 8192}, {"height", o.Height, 32, 8192}, {"frames", o.Frames, 1, 1 << 20}, {"fps", o.FPS, 1, 1000}, {"seed", o.Seed, 0, 1 << 53}, {"drawn", o.Drawn, 0, 1000}} {
		if c.v < c.least || c.v > c.most {
			return &graph.OptionError{Key: c.key, Msg: fmt.Sprintf("must be %d to %d", c.least, c.most)}
		}
	}
	if Find(o.Family) == nil {
		return &graph.OptionError{Key: "family", Msg: fmt.Sprintf("%q is not easy, occlusion, crossing, exit or tour", o.Family)}
	}
	return o.Options.Validate()
}

// Out is one frame.
type Out struct {
	Frame *token.Frame `port:"frame" doc:"picture in host memory, with ground truth"`
}

// Scene returns the clip.
func (o *Options) Scene() *Scene {
	return New(Find(o.Family), uint64(o.Seed), o.Width, o.Height, o.Frames)
}

// frame draws frame t with its ground truth.
func (s *Scene) frame(t int, h *token.Header) *token.Frame {
	n := s.Width * s.Height
	f := &token.Frame{Header: h, RGB: make([]uint8, 3*n)}
	masks := make([]uint8, s.Things()*n)
	s.Draw(t, f.RGB, masks)
	for k := range s.Things() {
		m := &token.Mask{W: s.Width, H: s.Height, Pix: masks[k*n:][:n:n]}
		f.Truth = append(f.Truth, token.Truth{Object: k + 1, Mask: m, Visible: bytes.IndexByte(m.Pix, 1) >= 0})
	}
	return f
}

func open(env *graph.Env, o *Options) (func(context.Context, func(*Out) error) error, func(error) error, error) {
	var set *prompt.Set
	if !o.Empty() {
		var err error
		if set, err = prompt.ForSource(env, &o.Options, o.stream()); err != nil {
			return nil, nil, err
		}
	}
	return func(ctx context.Context, emit func(*Out) error) error {
		return o.play(ctx, set, func(f *token.Frame) error { return emit(&Out{f}) })
	}, nil, nil
}

// fold goes to and fro from 0 to n-1.
func fold(t, n int) int {
	if n == 1 {
		return 0
	}
	if t %= 2 * (n - 1); t >= n {
		t = 2*(n-1) - t
	}
	return t
}

// Play draws the clip and calls visit with each frame. The target is prompted with its true box.
func (o *Options) Play(ctx context.Context, visit func(*token.Frame) error) error {
	return o.play(ctx, nil, visit)
}

// stream describes the clip.
func (o *Options) stream() *token.Stream {
	return &token.Stream{ID: "synthetic", Width: o.Width, Height: o.Height, Rate: token.Ratio{Num: o.FPS, Den: 1},
		TimeBase: token.Ratio{Num: 1, Den: o.FPS}, Frames: o.Frames}
}

func (o *Options) play(ctx context.Context, set *prompt.Set, visit func(*token.Frame) error) error {
	stream := o.stream()
	s := o.Scene()
	var drawn []*token.Frame
	for t := range o.Frames {
		if err := ctx.Err(); err != nil {
			return err
		}
		h := &token.Header{Stream: stream, Index: t, PTS: int64(t), Duration: 1}
		var f *token.Frame
		if o.Drawn > 0 && t >= o.Drawn {
			again := *drawn[fold(t, o.Drawn)]
			again.Header = h
			f = &again
		} else {
			f = s.frame(t, h)
		}
		if t < o.Drawn {
			drawn = append(drawn, f)
		}
		if set == nil {
			b := f.Truth[0].Mask.Box()
			set = prompt.First([]token.Prompt{{Object: 1, Box: &b}})
		}
		if t == 0 {
			stream.Objects = set.Objects()
		}
		h.Prompts, h.Objects = set.At(t)
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

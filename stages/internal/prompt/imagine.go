package prompt

import (
	"bytes"
	"image/png"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/infile"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// The size that a stream is planned for when nobody can tell it before it is read.
const unknownWidth, unknownHeight = 3840, 2160

// Imagine makes frames for a dry run: those with prompts first, one after the other, then others.
// Their pixels are all the same and black. Without prompts (o is empty and none are needed) there
// are no objects.
func (o *Options) Imagine(p graph.Probe, frames int, needed bool) ([]*token.Frame, error) {
	w, h := p.Width, p.Height
	if w == 0 || h == 0 {
		w, h = o.guess()
	}
	set := &Set{}
	if !o.Empty() || needed {
		var err error
		if set, _, err = o.Load(w, h); err != nil {
			return nil, err
		}
	}
	return set.Imagine(w, h, frames, p.Thin), nil
}

// guess returns the size of a stream that nobody knows: that of a mask, which must be the frame's,
// or else the largest that is planned for.
func (o *Options) guess() (w, h int) {
	masks := []string{string(o.Mask)}
	if o.Prompts != "" {
		entries, _ := readFile(string(o.Prompts)) // Load will tell
		for _, e := range entries {
			if masks = append(masks, e.mask); e.mask != "" {
				break
			}
		}
	}
	for _, path := range masks {
		if path == "" {
			continue
		}
		if data, err := infile.ReadFile(path, maxMask); err == nil {
			if config, err := png.DecodeConfig(bytes.NewReader(data)); err == nil {
				return config.Width, config.Height
			}
		}
	}
	return unknownWidth, unknownHeight
}

// Imagine makes frames for a dry run, of all prompts or of a thinned set, see Thin.
func (s *Set) Imagine(w, h, frames, thin int) []*token.Frame {
	if thin > 0 {
		s = s.thin(thin)
	}
	stream := &token.Stream{ID: "imagined", Width: w, Height: h, Rate: token.Ratio{Num: 30, Den: 1}, TimeBase: token.Ratio{Num: 1, Den: 30}}
	rgb := make([]uint8, 3*w*h)
	var out []*token.Frame
	add := func(prompts []token.Prompt, objects []int) {
		i := len(out)
		out = append(out, &token.Frame{Header: &token.Header{Stream: stream, Index: i, PTS: int64(i), Duration: 1, Prompts: prompts, Objects: objects}, RGB: rgb})
	}
	var objects []int
	for i, frame := range s.frames {
		if i == 0 || frame != s.frames[i-1] {
			var prompts []token.Prompt
			prompts, objects = s.At(frame)
			add(prompts, objects)
		}
	}
	for range frames {
		add(nil, objects)
	}
	return out
}

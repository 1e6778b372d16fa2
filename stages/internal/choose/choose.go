// Package choose carries out the choice of a select stage: it blanks objects that do not appear,
// lets the stage pick one of the candidates, makes the object pointer, and splits the answer into
// its device side (for the memory encoder) and its host side (for sinks).
package choose

import (
	"fmt"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// noObject is the logit of every pixel of an object that does not appear.
const noObject = -1024

// Choice is a stage's verdict on one object's candidates.
type Choice struct {
	Index       int
	KFScore     *float64 // motion IoU, nil when the filter had no say
	FilterStage string
}

// Picker picks one of several candidates. Its spans are those of the candidates' masks in model
// pixels (see Box.Span), as the reference measures them. It is called for multimask answers only.
type Picker func(object int, iou []float32, spans []token.Box) Choice

// Common are the options that select stages share.
type Common struct {
	FillHoleArea int `toml:"fill_hole_area" default:"0" doc:"fill holes of at most this many low-resolution pixels in the reported mask; 0 as the reference on a CPU"`
}

// Chooser is one select stage at work.
type Chooser struct {
	Common
	Model    *sam2.Model
	Dev      kernels.Device
	MinLogit float64 // an object appears when its logit is above this
}

// New makes the chooser of a stage instance.
func New(env *graph.Env, c Common, minLogit float64) (*Chooser, error) {
	model, err := sam2.FromEnv(env)
	return &Chooser{Common: c, Model: model, Dev: env.Device, MinLogit: minLogit}, err
}

// Choose answers for all objects of a frame.
func (c *Chooser) Choose(in *token.Candidates, pick Picker) (*token.Selection, *token.Result, error) {
	sel := &token.Selection{Header: in.Header, Dev: c.Dev}
	res := &token.Result{Header: in.Header}
	for i := range in.Objects {
		s, t, err := c.object(in.Header, &in.Objects[i], pick)
		if err != nil {
			sel.Release()
			return nil, nil, fmt.Errorf("object %d: %w", in.Objects[i].Object, err)
		}
		sel.Objects = append(sel.Objects, s)
		res.Objects = append(res.Objects, t)
	}
	return sel, res, nil
}

// object answers for one object.
func (c *Chooser) object(h *token.Header, cand *token.Candidate, pick Picker) (token.Selected, *token.Tracked, error) {
	s := kernels.NewScope(c.Dev)
	defer s.Close()
	appears := float64(cand.ObjectLogit) > c.MinLogit
	choice := c.choice(s, cand, appears, pick)
	mask, logits := c.mask(s, cand, choice.Index, appears, h.Prompted(cand.Object))
	pointer := c.pointer(s, cand, choice.Index, appears)
	s.Keep(mask)
	if err := s.Err(); err != nil {
		c.Dev.Free(pointer)
		return token.Selected{}, nil, err
	}

	iou := cand.IoU[choice.Index]
	return token.Selected{Object: cand.Object, Mask: mask, Pointer: pointer, ObjectLogit: cand.ObjectLogit, IoU: iou,
			KFScore: choice.KFScore, Prompted: h.Prompted(cand.Object)},
		&token.Tracked{Object: cand.Object, Logits: logits, Side: mask.Dim(0), Width: h.Stream.Width, Height: h.Stream.Height,
			Chosen: choice.Index, IoU: iou, ObjectLogit: cand.ObjectLogit, KFScore: choice.KFScore,
			FilterStage: choice.FilterStage, Appears: appears}, nil
}

// choice picks among the candidates.
func (c *Chooser) choice(s *kernels.Scope, cand *token.Candidate, appears bool, pick Picker) (choice Choice) {
	switch {
	case cand.Multimask:
		spans := make([]token.Box, cand.Masks.Dim(0)) // all masks of an absent object are empty
		if appears {
			spans = c.spans(s, cand.Masks)
		}
		if s.Err() == nil {
			choice = pick(cand.Object, cand.IoU, spans)
		}
	case cand.MaskPrompt:
		choice.KFScore = new(1.0)
	}
	return choice
}

// mask copies the chosen mask, blanked when the object does not appear, and reads it.
func (c *Chooser) mask(s *kernels.Scope, cand *token.Candidate, chosen int, appears, prompted bool) (mask *kernels.Tensor, logits []float32) {
	side := cand.Masks.Dim(1)
	mask = s.Result(kernels.F32, side, side)
	if appears {
		s.Do(kernels.Cast{X: cand.Masks.Index(chosen), Y: mask})
	} else {
		s.Do(kernels.Fill{Y: mask, Value: noObject})
	}
	logits = s.Read(mask)
	if c.FillHoleArea > 0 && s.Err() == nil {
		fillHoles(logits, side, c.FillHoleArea)
		// Upstream makes a prompt's memory from the filled mask, a tracked frame's from the
		// unfilled one.
		if prompted {
			s.Write(mask, kernels.HostBytes(logits))
		}
	}
	return mask, logits
}

// pointer returns the pointer of the chosen token where the object appears, and the learnt one of
// "no object" where not. After an error it returns nil.
func (c *Chooser) pointer(s *kernels.Scope, cand *token.Candidate, chosen int, appears bool) *kernels.Tensor {
	if s.Err() != nil {
		return nil
	}
	var lambda float32
	if appears && float64(cand.PointerLogit) > c.MinLogit {
		lambda = 1
	}
	pointer, err := c.Model.ObjectPointer(cand.Tokens.Index(chosen), lambda)
	s.Fail(err)
	return pointer
}

// spans measures the candidates enlarged to the model's square, as the reference does.
func (c *Chooser) spans(s *kernels.Scope, masks *kernels.Tensor) []token.Box {
	n, side := masks.Dim(0), c.Model.Config().ImageSize
	y := s.New(kernels.I32, n, 4)
	s.Do(kernels.MaskBoxes{X: masks, H: side, W: side, Y: y})
	out, flat := make([]token.Box, n), s.ReadInts(y)
	for i := range out {
		b := flat[4*i:][:4] // the first and the last column and row
		out[i] = token.Box{X0: float64(b[0]), Y0: float64(b[1]), X1: float64(b[2]), Y1: float64(b[3])}
	}
	return out
}

// Package decodemask runs the prompt encoder and the mask decoder. It reports what the decoder says
// and judges nothing: thresholds, blanking and the choice among candidates belong to the select
// stages.
package decodemask

import (
	"context"
	"fmt"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "decode-mask".
var Stage = graph.NewFlow("decode-mask", "Prompt encoder and mask decoder: candidate masks with predicted IoUs and the object "+
	"logit, for each object. Prompts on this frame are used; without one the object is tracked.", open)

// Options are the reference's flags of this step, with the defaults of its video predictor.
type Options struct {
	MultimaskInSAM       *bool   `toml:"multimask_output_in_sam" doc:"offer several masks where the prompt is ambiguous; as in [model.config] when absent, true in every variant"`
	MultimaskForTracking *bool   `toml:"multimask_output_for_tracking" doc:"offer several masks on frames without a prompt; as in [model.config] when absent, true"`
	MultimaskMinPoints   *int    `toml:"multimask_min_pt_num" doc:"fewest points for which several masks are offered; as in [model.config] when absent, 0"`
	MultimaskMaxPoints   *int    `toml:"multimask_max_pt_num" doc:"most points for which several masks are offered, a box counts as two; as in [model.config] when absent, 1"`
	Stability            bool    `toml:"dynamic_multimask_via_stability" default:"true" doc:"when one mask is asked for and it is unstable, take the best of the others"`
	StabilityDelta       float64 `toml:"dynamic_multimask_stability_delta" default:"0.05" doc:"logit offset between which a stable mask keeps its area"`
	StabilityThresh      float64 `toml:"dynamic_multimask_stability_thresh" default:"0.98" doc:"ratio of areas from which a mask is stable"`
	MaskAsOutput         *bool   `toml:"use_mask_input_as_output_without_sam" doc:"a mask prompt is the answer on its frame, false refines it with the decoder; as in [model.config] when absent, true"`
}

// In is one firing's input.
type In struct {
	Features    *token.Features    `port:"features" doc:"of this frame"`
	Conditioned *token.Conditioned `port:"conditioned" doc:"vision feature after memory attention, per object"`
}

// Out is one firing's output.
type Out struct {
	Candidates *token.Candidates `port:"candidates" doc:"masks, tokens, predicted IoUs and object logit, per object"`
}

func open(env *graph.Env, o *Options) (func(context.Context, *In) (*Out, error), func(error) error, error) {
	model, err := sam2.FromEnv(env)
	if err != nil {
		return nil, nil, err
	}
	c := model.Config()
	d := &decoder{
		model: model, dev: env.Device, side: float32(c.ImageSize),
		inSAM: sam2.Or(o.MultimaskInSAM, c.MultimaskOutputInSAM), tracking: sam2.Or(o.MultimaskForTracking, c.MultimaskOutputForTracking),
		least: sam2.Or(o.MultimaskMinPoints, c.MultimaskMinPtNum), most: sam2.Or(o.MultimaskMaxPoints, c.MultimaskMaxPtNum),
		maskAsOutput: sam2.Or(o.MaskAsOutput, c.UseMaskInputAsOutput),
	}
	if o.Stability {
		d.stability = &sam2.Stability{Delta: float32(o.StabilityDelta), Thresh: float32(o.StabilityThresh)}
	}
	fire := func(_ context.Context, in *In) (*Out, error) {
		out := &token.Candidates{Header: in.Features.Header, Dev: env.Device}
		for i, object := range in.Features.Objects {
			c, err := d.candidate(in.Features, in.Conditioned.Objects[i], object)
			if err != nil {
				out.Release()
				return nil, fmt.Errorf("object %d: %w", object, err)
			}
			out.Objects = append(out.Objects, c)
		}
		return &Out{out}, nil
	}
	return fire, nil, nil
}

type decoder struct {
	model *sam2.Model
	dev   kernels.Device
	side  float32 // model pixels

	inSAM, tracking bool // several masks at all, and on frames without a prompt
	least, most     int  // for this many points
	maskAsOutput    bool
	stability       *sam2.Stability // nil: off
}

func (d *decoder) candidate(f *token.Features, conditioned *kernels.Tensor, object int) (token.Candidate, error) {
	in := sam2.DecodeInput{F: f.Features, Conditioned: conditioned}
	p := f.Prompt(object)
	if p != nil && p.Mask != nil {
		mask, err := d.square(p.Mask)
		if err != nil {
			return token.Candidate{}, err
		}
		defer d.dev.Free(mask)
		if d.maskAsOutput {
			return d.maskOutput(f.Features, mask, object, p.Mask)
		}
		if in.MaskLogits, err = d.lowRes(mask); err != nil {
			return token.Candidate{}, err
		}
		defer d.dev.Free(in.MaskLogits)
	} else if p != nil {
		in.Points = d.points(p, f.Stream)
	}

	n := len(in.Points)
	in.Multimask = d.inSAM && (p != nil || d.tracking) && d.least <= n && n <= d.most
	in.Stability = d.stability
	dec, err := d.model.Decode(in)
	if err != nil {
		return token.Candidate{}, err
	}
	return token.Candidate{Object: object, Decoded: dec, PointerLogit: dec.ObjectLogit, Multimask: in.Multimask}, nil
}

// points maps a prompt to model pixels: the box's corners first, then the clicks.
func (d *decoder) points(p *token.Prompt, s *token.Stream) []sam2.PointPrompt {
	var out []sam2.PointPrompt
	if b := p.Box; b != nil {
		out = append(out, sam2.PointPrompt{X: float32(b.X0), Y: float32(b.Y0), Label: sam2.BoxTopLeft},
			sam2.PointPrompt{X: float32(b.X1), Y: float32(b.Y1), Label: sam2.BoxBottomRight})
	}
	out = append(out, p.Points...)
	for i := range out {
		q := &out[i]
		q.X, q.Y = q.X/float32(s.Width)*d.side, q.Y/float32(s.Height)*d.side
	}
	return out
}

// maskOutput answers with the user's own mask; only its pointer comes from the decoder.
func (d *decoder) maskOutput(f sam2.Features, mask *kernels.Tensor, object int, prompt *token.Mask) (token.Candidate, error) {
	low, dec, err := d.model.MaskOutput(f, mask)
	if err != nil {
		return token.Candidate{}, err
	}
	d.dev.Free(dec.Masks)
	logit := float32(-10)
	for _, p := range prompt.Pix {
		if p != 0 {
			logit = 10
			break
		}
	}
	side := low.Dim(-1)
	low.Shape = []int{1, side, side}
	return token.Candidate{Object: object, MaskPrompt: true, PointerLogit: dec.ObjectLogit,
		Decoded: sam2.Decoded{Masks: low, Tokens: dec.Tokens, IoU: []float32{1}, ObjectLogit: logit}}, nil
}

// square stretches a mask prompt to the model's square: antialiased bilinear, then >= 0.5. [S,S] of
// 0 and 1.
func (d *decoder) square(m *token.Mask) (*kernels.Tensor, error) {
	s := kernels.NewScope(d.dev)
	defer s.Close()
	side := int(d.side)
	host := make([]float32, len(m.Pix))
	for i, p := range m.Pix {
		host[i] = float32(p)
	}
	if m.W != side || m.H != side {
		x, y := s.Upload(host, 1, m.H, m.W), s.F32(1, side, side)
		s.Do(kernels.Resize{X: x, Y: y, Antialias: true})
		host = s.Read(y)
		for i, v := range host {
			host[i] = 0
			if v >= 0.5 {
				host[i] = 1
			}
		}
	}
	out := s.Upload(host, side, side)
	s.Keep(out)
	return out, s.Err()
}

// lowRes shrinks the square mask to the size of the prompt encoder's mask input, antialiased.
func (d *decoder) lowRes(mask *kernels.Tensor) (*kernels.Tensor, error) {
	s := kernels.NewScope(d.dev)
	defer s.Close()
	side := int(d.side)
	low := s.F32(side/4, side/4)
	s.Do(kernels.Resize{X: mask.Reshape(1, side, side), Y: low.Reshape(1, side/4, side/4), Antialias: true})
	s.Keep(low)
	return low, s.Err()
}

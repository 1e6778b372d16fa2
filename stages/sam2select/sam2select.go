// Package sam2select chooses among the decoder's candidates as plain SAM 2 does: the highest
// predicted IoU.
package sam2select

import (
	"context"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/choose"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "sam2-select".
var Stage = graph.NewFlow("sam2-select", "SAM 2's choice among candidate masks: the highest predicted IoU. Swap with samurai-select.", open)

// Options are the values of this step.
type Options struct {
	MinLogit float64 `toml:"min_obj_score_logits" default:"0" doc:"the object appears when its logit is above this"`
	choose.Common
}

// In is one firing's input.
type In struct {
	Candidates *token.Candidates `port:"candidates" doc:"of this frame"`
}

// Out is one firing's output.
type Out struct {
	Selection *token.Selection `port:"selection" doc:"chosen mask and pointer on the device, for memory-encode"`
	Result    *token.Result    `port:"result" doc:"scores, box and low-resolution logits on the host, for sinks"`
}

func open(env *graph.Env, o *Options) (func(context.Context, *In) (*Out, error), func(error) error, error) {
	chooser, err := choose.New(env, o.Common, o.MinLogit)
	if err != nil {
		return nil, nil, err
	}
	fire := func(_ context.Context, in *In) (*Out, error) {
		sel, res, err := chooser.Choose(in.Candidates, func(_ int, iou []float32, _ []token.Box) choose.Choice {
			return choose.Choice{Index: sam2.Best(iou)}
		})
		return &Out{sel, res}, err
	}
	return fire, nil, nil
}

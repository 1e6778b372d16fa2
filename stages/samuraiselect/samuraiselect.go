// Package samuraiselect chooses among the decoder's candidates with SAMURAI's motion model: the
// predicted IoU, weighed with the overlap between a candidate's box and where a Kalman filter
// expects the object.
//
// The filter goes through three stages. It starts at the box of the best mask; it warms up, taking
// in the best mask's box as long as the predicted IoU is good, for a number of frames; then its
// word counts. A poor predicted IoU sends it back to the start. Its state is a token per object, so
// it cannot leak from one video or object to the next.
package samuraiselect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/choose"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "samurai-select".
var Stage = graph.NewFlow("samurai-select", "SAMURAI's choice among candidate masks: predicted IoU weighed with the agreement of a "+
	"Kalman filter over the object's box. Swap with sam2-select.", open)

// Options are SAMURAI's values under the reference's names.
type Options struct {
	StableFrames int      `toml:"stable_frames_threshold" default:"15" doc:"frames of warm-up before motion counts"`
	StableIoU    float64  `toml:"stable_ious_threshold" default:"0.3" doc:"predicted IoU below which the filter starts anew"`
	MinLogit     float64  `toml:"min_obj_score_logits" default:"-1" doc:"the object appears when its logit is above this"`
	KFWeight     *float64 `toml:"kf_score_weight" doc:"weight of motion in the choice; by variant when absent: 0.15 for large, 0.25 for the others"`
	choose.Common
}

// Motion is the state of the filters after a frame; nil before the first.
type Motion struct {
	Objects []ObjectMotion // ascending by object
}

// ObjectMotion is one object's filter.
type ObjectMotion struct {
	Object int
	Filter Filter
	Stable int // frames of warm-up passed; 0 starts the filter anew
}

// Save writes the filters.
func (m *Motion) Save() ([]byte, error) { return json.Marshal(m) }

// Load reads what Save wrote; the device has no part in it.
func (*Motion) Load(_ kernels.Device, data []byte) (any, error) {
	var m *Motion
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("motion: %w", err)
	}
	return m, nil
}

// In is one firing's input.
type In struct {
	Candidates *token.Candidates `port:"candidates" doc:"of this frame"`
	Motion     *Motion           `port:"motion,delay" doc:"filters after the frame before"`
}

// Out is one firing's output.
type Out struct {
	Selection *token.Selection `port:"selection" doc:"chosen mask and pointer on the device, for memory-encode"`
	Result    *token.Result    `port:"result" doc:"scores, box and low-resolution logits on the host, for sinks"`
	Motion    *Motion          `port:"motion,state" doc:"filters after this frame"`
}

func open(env *graph.Env, o *Options) (func(context.Context, *In) (*Out, error), func(error) error, error) {
	chooser, err := choose.New(env, o.Common, o.MinLogit)
	if err != nil {
		return nil, nil, err
	}
	rule := rule{frames: o.StableFrames, iou: float32(o.StableIoU), weight: weight(o, chooser.Model.Config())}
	fire := func(_ context.Context, in *In) (*Out, error) {
		next := &Motion{}
		if in.Motion != nil {
			next.Objects = slices.Clone(in.Motion.Objects)
		}
		sel, res, err := chooser.Choose(in.Candidates, func(object int, iou []float32, spans []token.Box) choose.Choice {
			return rule.pick(next.find(object), iou, spans)
		})
		return &Out{sel, res, next}, err
	}
	return fire, nil, nil
}

// weight returns kf_score_weight, which upstream's files set by variant.
func weight(o *Options, c sam2.Config) float64 {
	if v := sam2.FindVariant(c.Name); v != nil {
		return sam2.Or(o.KFWeight, v.KFWeight)
	}
	return sam2.Or(o.KFWeight, usualWeight)
}

// usualWeight is what most of upstream's files say.
const usualWeight = 0.25

// find returns the entry of an object, made when it is new.
func (m *Motion) find(object int) *ObjectMotion {
	i, ok := slices.BinarySearchFunc(m.Objects, object, func(o ObjectMotion, id int) int { return o.Object - id })
	if !ok {
		m.Objects = slices.Insert(m.Objects, i, ObjectMotion{Object: object})
	}
	return &m.Objects[i]
}

// rule is the three-stage choice.
type rule struct {
	frames int
	iou    float32 // compared in float32, as the reference does
	weight float64
}

func (r *rule) pick(m *ObjectMotion, iou []float32, spans []token.Box) choose.Choice {
	f := &m.Filter
	best := sam2.Best(iou)

	if m.Stable == 0 {
		*f = initiate(measure(spans[best]))
		m.Stable = 1
		return choose.Choice{Index: best, FilterStage: "start"}
	}

	f.predict()
	if m.Stable < r.frames {
		if iou[best] > r.iou {
			f.update(measure(spans[best]))
			m.Stable++
		} else {
			m.Stable = 0
		}
		return choose.Choice{Index: best, FilterStage: "warm-up"}
	}

	motion, score := make([]float64, len(iou)), make([]float64, len(iou))
	for i := range iou {
		motion[i] = f.iou(spans[i])
		score[i] = r.weight*motion[i] + float64(float32(1-r.weight)*iou[i])
	}
	best = sam2.Best(score)
	if iou[best] < r.iou {
		m.Stable = 0
	} else {
		f.update(measure(spans[best]))
	}
	return choose.Choice{Index: best, KFScore: &motion[best], FilterStage: "motion"}
}

// Package memoryattend conditions a frame's vision feature on what is remembered of each object.
// Which memories are attended to, and with which temporal index, was decided by the policy of the
// stage that wrote the bank; here they are only read.
package memoryattend

import (
	"context"
	"fmt"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "memory-attend".
var Stage = graph.NewFlow("memory-attend", "Memory attention: conditions the vision feature on the memories and object pointers "+
	"of each object. An object prompted on this very frame skips it.", open)

// Options are the reference's flags of this step.
type Options struct {
	MaxPointers *int `toml:"max_obj_ptrs_in_encoder" doc:"object pointers attended to are fewer than this many frames old; also the scale of their positions, unless the stream is shorter; as in [model.config] when absent, 16 in every variant"`
}

// Validate checks ranges.
func (o *Options) Validate() error {
	if o.MaxPointers != nil && *o.MaxPointers < 2 {
		return &graph.OptionError{Key: "max_obj_ptrs_in_encoder", Msg: "must be at least 2"}
	}
	return nil
}

// In is one firing's input.
type In struct {
	Features *token.Features `port:"features" doc:"of this frame"`
	Bank     *token.Bank     `port:"bank,delay" doc:"memories after the frame before"`
}

// Out is one firing's output.
type Out struct {
	Conditioned *token.Conditioned `port:"conditioned" doc:"vision feature after memory attention, per object"`
}

func open(env *graph.Env, o *Options) (func(context.Context, *In) (*Out, error), func(error) error, error) {
	model, err := sam2.FromEnv(env)
	if err != nil {
		return nil, nil, err
	}
	most := max(sam2.Or(o.MaxPointers, model.Config().MaxObjPtrsInEncoder), 2)
	fire := func(_ context.Context, in *In) (*Out, error) {
		f := in.Features
		out := &token.Conditioned{Header: f.Header, Dev: env.Device}
		for _, object := range f.Objects {
			x, err := condition(model, most, f, in.Bank.Find(object), object)
			if err != nil {
				out.Release()
				return nil, fmt.Errorf("object %d: %w", object, err)
			}
			out.Objects = append(out.Objects, x)
		}
		return &Out{out}, nil
	}
	return fire, nil, nil
}

func condition(model *sam2.Model, limit int, f *token.Features, bank *token.ObjectBank, object int) (*kernels.Tensor, error) {
	if f.Prompted(object) {
		return model.WithoutMemory(f.F2)
	}
	if bank == nil {
		return nil, fmt.Errorf("no prompt and no memory")
	}
	// The reference's scale is min(num_frames, max_obj_ptrs_in_encoder).
	if n := f.Stream.Frames; n > 0 {
		limit = min(limit, n)
	}
	var pointers []sam2.Pointer
	point := func(m *token.Memory) {
		distance := float64(f.Index - m.Frame)
		pointers = append(pointers, sam2.Pointer{Vector: m.Pointer.Tensor, Distance: distance / float64(max(limit-1, 1))})
	}

	var memories []sam2.Memory
	attended := map[*token.Memory]bool{}
	for _, slot := range bank.Attend {
		memories = append(memories, slot.Attended())
		attended[slot.Memory] = true
		if slot.Prompted { // the pointer of an attended prompt is read at any distance
			point(slot.Memory)
		}
	}
	for _, m := range bank.Pointers {
		if f.Index-m.Frame < limit {
			point(m)
		}
	}
	for _, m := range bank.Prompts {
		if !attended[m] && f.Index-m.Frame < limit {
			point(m)
		}
	}
	return model.Condition(f.F2, memories, pointers)
}

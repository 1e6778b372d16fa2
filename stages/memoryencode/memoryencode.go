// Package memoryencode turns the chosen mask of a frame into a memory and maintains the bank of
// each object: exactly what the reference, which keeps every frame, would ever read again, and
// nothing else. The bank is a token on a feedback edge; a memory is copied into it and owes nothing
// to the frame it came from.
package memoryencode

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "memory-encode".
var Stage = graph.NewFlow("memory-encode", "Memory encoder and the bank of memories. The policy says which memories are kept and "+
	"attended to: "+policyDoc()+".", open)

// Options are the reference's flags of this step.
type Options struct {
	Policy      Policy  `toml:"policy" default:"samurai" doc:"which memories the next frame attends to"`
	IoU         float64 `toml:"memory_bank_iou_threshold" default:"0.5" doc:"a memory is valid when its predicted IoU is above this"`
	ObjectLogit float64 `toml:"memory_bank_obj_score_threshold" default:"0.0" doc:"a memory is valid when its object logit is above this"`
	KFScore     float64 `toml:"memory_bank_kf_score_threshold" default:"0.0" doc:"a memory is valid when its motion score, if it has one, is above this"`
	Stride      *int    `toml:"memory_temporal_stride_for_eval" doc:"policy recent: distance between attended frames; as in [model.config] when absent, 1 in every variant"`
	MaxPrompts  *int    `toml:"max_cond_frames_in_attn" doc:"attend to at most this many prompted frames, the newest, or all with -1; as in [model.config] when absent, -1"`
	MaxPointers *int    `toml:"max_obj_ptrs_in_encoder" doc:"keep object pointers that are fewer than this many frames old; as in [model.config] when absent, 16"`
	Binarize    *bool   `toml:"binarize_mask_from_pts_for_mem_enc" doc:"remember the mask of a prompted frame as 0 and 1 instead of probabilities; as in [model.config] when absent, true"`
}

// Validate checks ranges.
func (o *Options) Validate() error {
	switch {
	case o.Stride != nil && *o.Stride < 1:
		return &graph.OptionError{Key: "memory_temporal_stride_for_eval", Msg: "must be at least 1"}
	case o.MaxPrompts != nil && (*o.MaxPrompts == 0 || *o.MaxPrompts == 1 || *o.MaxPrompts < -1):
		return &graph.OptionError{Key: "max_cond_frames_in_attn", Msg: "must be -1 or at least 2"}
	case o.MaxPointers != nil && *o.MaxPointers < 2:
		return &graph.OptionError{Key: "max_obj_ptrs_in_encoder", Msg: "must be at least 2"}
	}
	return nil
}

// In is one firing's input.
type In struct {
	Features  *token.Features  `port:"features" doc:"of this frame"`
	Selection *token.Selection `port:"selection" doc:"chosen mask and pointer, per object"`
	Bank      *token.Bank      `port:"bank,delay" doc:"memories after the frame before"`
}

// Out is one firing's output.
type Out struct {
	Bank   *token.Bank         `port:"bank,state" doc:"memories after this frame"`
	Report *token.MemoryReport `port:"report" doc:"what became of this frame's memory, for sinks"`
}

func open(env *graph.Env, o *Options) (func(context.Context, *In) (*Out, error), func(error) error, error) {
	model, err := sam2.FromEnv(env)
	if err != nil {
		return nil, nil, err
	}
	c := model.Config()
	k, binarize := newKeeper(o, c), sam2.Or(o.Binarize, c.BinarizeMaskFromPtsForMemEnc)
	fire := func(_ context.Context, in *In) (*Out, error) {
		bank, report := &token.Bank{}, &token.MemoryReport{Header: in.Selection.Header}
		for i := range in.Selection.Objects {
			s := &in.Selection.Objects[i]
			m, err := remember(model, env.Device, in.Features, s, binarize && s.Prompted)
			if err != nil {
				bank.Release()
				return nil, fmt.Errorf("object %d: %w", s.Object, err)
			}
			next, note := k.keep(in.Bank.Find(s.Object), s.Object, m)
			bank.Objects = append(bank.Objects, next)
			report.Objects = append(report.Objects, note)
		}
		return &Out{bank, report}, nil
	}
	return fire, nil, nil
}

// remember makes a memory that owns its tensors.
func remember(model *sam2.Model, dev kernels.Device, f *token.Features, s *token.Selected, binarize bool) (*token.Memory, error) {
	features, err := model.EncodeMemory(f.F2, s.Mask, binarize, s.ObjectLogit <= 0)
	if err != nil {
		return nil, err
	}
	scope := kernels.NewScope(dev)
	defer scope.Close()
	pointer := scope.Result(kernels.F32, s.Pointer.Shape...)
	scope.Do(kernels.Cast{X: s.Pointer, Y: pointer})
	scope.Keep(pointer)
	if err := scope.Err(); err != nil {
		dev.Free(features)
		return nil, err
	}
	return &token.Memory{Frame: f.Index, Features: token.Share(dev, features), Pointer: token.Share(dev, pointer),
		IoU: s.IoU, ObjectLogit: s.ObjectLogit, KFScore: s.KFScore, Prompted: s.Prompted}, nil
}

// keeper advances banks by one frame.
type keeper struct {
	policy
	validity
	maxPrompts, maxPointers int
	promptTPos              int // index of the temporal encoding of prompts
}

func newKeeper(o *Options, c sam2.Config) *keeper {
	k := &keeper{
		validity:   validity{o.IoU, o.ObjectLogit, o.KFScore},
		maxPrompts: sam2.Or(o.MaxPrompts, c.MaxCondFramesInAttn), maxPointers: sam2.Or(o.MaxPointers, c.MaxObjPtrsInEncoder),
		promptTPos: c.NumMaskmem - 1,
	}
	for _, p := range policies {
		if p.name == o.Policy {
			k.policy = p.open(o, c, k.validity)
		}
	}
	return k
}

// keep returns the bank after memory m, which it takes over. old is left as it was.
func (k *keeper) keep(old *token.ObjectBank, object int, m *token.Memory) (*token.ObjectBank, token.MemoryNote) {
	if old == nil {
		old = &token.ObjectBank{Object: object, First: m.Frame}
	}
	b := &token.ObjectBank{Object: object, First: old.First, Prompts: slices.Clone(old.Prompts), Recent: old.Recent, Pointers: old.Pointers}
	if m.Prompted {
		b.Prompts = append(b.Prompts, m)
	} else {
		var keepNewest bool
		b.Recent, keepNewest = k.retain(old, m)
		if keepNewest {
			b.Newest = m
		}
		b.Pointers = append(slices.Clone(old.Pointers), m)
	}
	b.Pointers = slices.DeleteFunc(slices.Clone(b.Pointers), func(p *token.Memory) bool { return m.Frame+1-p.Frame >= k.maxPointers })
	k.choose(b, m.Frame+1)

	b.Retain()
	m.Features.Release() // the references it was made with; the bank has its own
	m.Pointer.Release()

	note := token.MemoryNote{Object: object, Valid: true} // a prompt is always kept
	if !m.Prompted {
		if note.Valid, note.Reason = k.check(m); note.Valid && m.Frame < b.First+2 {
			note.Valid, note.Reason = false, "first frame after the prompt"
		}
	}
	for _, s := range b.Attend {
		note.Frames = append(note.Frames, s.Frame)
	}
	return b, note
}

// choose fills Attend for the next frame: prompts, then what the policy picks.
func (k *keeper) choose(b *token.ObjectBank, next int) {
	selected := b.Prompts
	if k.maxPrompts > 0 && len(selected) > k.maxPrompts {
		selected = selected[len(selected)-k.maxPrompts:]
	}
	for _, p := range selected {
		b.Attend = append(b.Attend, token.Slot{Memory: p, TPos: k.promptTPos})
	}
	tracked := append(slices.Clone(b.Prompts[:len(b.Prompts)-len(selected)]), b.Recent...)
	if b.Newest != nil {
		tracked = append(tracked, b.Newest)
	}
	slices.SortStableFunc(tracked, func(x, y *token.Memory) int { return x.Frame - y.Frame })
	b.Attend = append(b.Attend, k.attend(b, tracked, next)...)
}

package memoryencode

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// A policy decides what of an object's past is kept and what the next frame attends to. It sees the bank after a
// frame: retain drops what will never be read again, attend picks the tracked memories for the next frame.
//
// The lists are bounded, and exact: they hold everything that keeping every frame would ever read.
type policy interface {
	// retain returns the tracked memories still needed, ascending; newest is the frame just made, not in recent.
	retain(b *token.ObjectBank, newest *token.Memory) (recent []*token.Memory, keepNewest bool)
	// attend picks from tracked memories (recent, newest and unselected prompts), ascending, for frame next.
	attend(b *token.ObjectBank, tracked []*token.Memory, next int) []token.Slot
}

// validity says whether a memory may be attended to later, and why not.
type validity struct{ iou, logit, kf float64 }

func (v validity) check(m *token.Memory) (ok bool, reason string) {
	switch {
	case !(m.IoU > float32(v.iou)):
		return false, fmt.Sprintf("predicted IoU %.3f <= %g", m.IoU, v.iou)
	case !(m.ObjectLogit > float32(v.logit)):
		return false, fmt.Sprintf("object logit %.3f <= %g", m.ObjectLogit, v.logit)
	case m.KFScore != nil && !(*m.KFScore > v.kf):
		return false, fmt.Sprintf("motion score %.3f <= %g", *m.KFScore, v.kf)
	}
	return true, ""
}

// samurai attends to the newest valid memories, by rank, and always to the frame before, valid or not. The object's
// first two frames are never counted valid. An invalid newest frame takes the place of the oldest valid one for a
// single frame only, so it must not evict it.
type samurai struct {
	slots int // num_maskmem - 1
	validity
}

func (p samurai) retain(b *token.ObjectBank, newest *token.Memory) ([]*token.Memory, bool) {
	if ok, _ := p.check(newest); !ok || newest.Frame < b.First+2 {
		return b.Recent, true
	}
	recent := append(slices.Clone(b.Recent), newest)
	return recent[max(0, len(recent)-p.slots):], false
}

func (p samurai) attend(_ *token.ObjectBank, tracked []*token.Memory, _ int) []token.Slot {
	return byRank(tracked[max(0, len(tracked)-p.slots):])
}

// recent is plain SAM 2: the frames just before, whatever they hold, each with the index of its distance. With a
// stride r > 1 the frame before is followed by every r-th one.
type recent struct{ slots, stride int }

func (p recent) retain(b *token.ObjectBank, newest *token.Memory) ([]*token.Memory, bool) {
	kept := append(slices.Clone(b.Recent), newest)
	reach := (p.slots-1)*p.stride + 1 // the oldest frame that the next one can ask for
	return slices.DeleteFunc(kept, func(m *token.Memory) bool { return m.Frame < newest.Frame+1-reach }), false
}

func (p recent) attend(_ *token.ObjectBank, tracked []*token.Memory, next int) []token.Slot {
	var out []token.Slot
	for rel := p.slots; rel >= 1; rel-- {
		frame := next - 1
		if rel > 1 {
			// rounds down for every next >= 2; the remainder of a negative number does no harm, no such frame exists
			frame = (next-2)/p.stride*p.stride - (rel-2)*p.stride
		}
		for _, m := range tracked {
			if m.Frame == frame {
				out = append(out, token.Slot{Memory: m, TPos: rel - 1})
			}
		}
	}
	return out
}

// bestIoU keeps the memories with the highest predicted IoU among the valid ones, newer ones on a tie, and the frame before.
type bestIoU struct {
	slots int
	validity
}

func (p bestIoU) retain(b *token.ObjectBank, newest *token.Memory) ([]*token.Memory, bool) {
	if ok, _ := p.check(newest); !ok {
		return b.Recent, true
	}
	kept := p.best(append(slices.Clone(b.Recent), newest), p.slots)
	return kept, !slices.Contains(kept, newest)
}

func (p bestIoU) attend(_ *token.ObjectBank, tracked []*token.Memory, next int) []token.Slot {
	if len(tracked) > 0 && tracked[len(tracked)-1].Frame == next-1 {
		last := len(tracked) - 1
		return byRank(append(p.best(tracked[:last], p.slots-1), tracked[last]))
	}
	return byRank(p.best(tracked, p.slots))
}

func (p bestIoU) best(ms []*token.Memory, n int) []*token.Memory {
	out := slices.Clone(ms)
	slices.SortFunc(out, func(a, b *token.Memory) int {
		return cmp.Or(cmp.Compare(b.IoU, a.IoU), cmp.Compare(b.Frame, a.Frame))
	})
	out = out[:min(n, len(out))]
	slices.SortFunc(out, func(a, b *token.Memory) int { return cmp.Compare(a.Frame, b.Frame) })
	return out
}

// byRank gives the newest index 0, the one before it 1, and so on.
func byRank(ms []*token.Memory) []token.Slot {
	out := make([]token.Slot, len(ms))
	for i, m := range ms {
		out[i] = token.Slot{Memory: m, TPos: len(ms) - 1 - i}
	}
	return out
}

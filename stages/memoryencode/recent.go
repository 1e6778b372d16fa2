package memoryencode

import (
	"slices"

	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// recent is plain SAM 2: the frames just before, whatever they hold, each with the index of its
// distance. With a stride r > 1 the frame before is followed by every r-th one.
type recent struct {
	slots  int // num_maskmem - 1
	stride int
}

func newRecent(o *Options, c sam2.Config, _ validity) policy {
	return recent{c.NumMaskmem - 1, max(sam2.Or(o.Stride, c.MemoryTemporalStrideForEval), 1)}
}

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
			// rounds down for every next >= 2; the remainder of a negative number does no harm, no
			// such frame exists
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

package memoryencode

import (
	"cmp"
	"slices"

	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// bestIoU keeps the memories with the highest predicted IoU among the valid ones, newer ones on a
// tie, and the frame before.
type bestIoU struct {
	slots int // num_maskmem - 1
	validity
}

func newBestIoU(_ *Options, c sam2.Config, v validity) policy {
	return bestIoU{c.NumMaskmem - 1, v}
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

package memoryencode

import (
	"slices"

	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// samurai attends to the newest valid memories, by rank, and always to the frame before, valid or
// not. The object's first two frames are never counted valid. An invalid newest frame takes the
// place of the oldest valid one for a single frame only, so it must not evict it.
type samurai struct {
	slots int // num_maskmem - 1
	validity
}

func newSamurai(_ *Options, c sam2.Config, v validity) policy {
	return samurai{c.NumMaskmem - 1, v}
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

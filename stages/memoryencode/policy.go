package memoryencode

import (
	"fmt"
	"strings"

	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// policies are all there are: a new one is its file and a line here. The option's values, the
// stage's documentation and the schema follow.
var policies = []struct {
	name Policy
	doc  string
	open func(o *Options, c sam2.Config, v validity) policy
}{
	{"samurai", "the newest valid ones", newSamurai},
	{"recent", "plain SAM 2", newRecent},
	{"best-iou", "the best valid ones", newBestIoU},
}

// Policy is the name of a policy.
type Policy string

// Enum lists the names.
func (Policy) Enum() (names []string) {
	for _, p := range policies {
		names = append(names, string(p.name))
	}
	return names
}

// policyDoc lists the policies with what each does.
func policyDoc() string {
	var all []string
	for _, p := range policies {
		all = append(all, fmt.Sprintf("%s (%s)", p.name, p.doc))
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

// A policy decides what of an object's past is kept and what the next frame attends to. It sees the
// bank after a frame: retain drops what will never be read again, attend picks the tracked memories
// for the next frame.
//
// The lists are bounded, and exact: they hold everything that keeping every frame would ever read.
type policy interface {
	// retain returns the tracked memories still needed, ascending; newest is the frame just made,
	// not in recent.
	retain(b *token.ObjectBank, newest *token.Memory) (recent []*token.Memory, keepNewest bool)
	// attend picks from tracked memories (recent, newest and unselected prompts), ascending, for
	// frame next.
	attend(b *token.ObjectBank, tracked []*token.Memory, next int) []token.Slot
}

// validity decides whether a memory may be attended to later, and why not.
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

// byRank gives the newest index 0, the one before it 1, and so on.
func byRank(ms []*token.Memory) []token.Slot {
	out := make([]token.Slot, len(ms))
	for i, m := range ms {
		out[i] = token.Slot{Memory: m, TPos: len(ms) - 1 - i}
	}
	return out
}

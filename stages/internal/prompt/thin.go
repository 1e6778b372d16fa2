package prompt

import (
	"cmp"
	"slices"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// A dry run through thousands of prompts is made of one through a few, see graph.Prompts. What
// takes part in it: one object with so many prompts as are asked for, and every object with one
// prompt of each kind, because the mask decoder's work depends on that.

// kind tells prompts apart that are not the same work: -1 for a mask, else the number of points, a
// box counting two.
func kind(p *token.Prompt) int {
	if p.Mask != nil {
		return -1
	}
	n := len(p.Points)
	if p.Box != nil {
		n += 2
	}
	return n
}

// kinds returns for each object the prompts of different kinds and the others, as places in
// s.prompts.
type kinds struct {
	object          int
	differing, same []int
}

func (s *Set) kinds() (all []*kinds) {
	of := map[int]*kinds{}
	seen := map[[2]int]bool{}
	for i := range s.prompts {
		p := &s.prompts[i]
		k := of[p.Object]
		if k == nil {
			k = &kinds{object: p.Object}
			of[p.Object], all = k, append(all, k)
		}
		if what := [2]int{p.Object, kind(p)}; !seen[what] {
			seen[what] = true
			k.differing = append(k.differing, i)
		} else {
			k.same = append(k.same, i)
		}
	}
	for _, k := range all {
		slices.SortFunc(k.differing, func(a, b int) int { return cmp.Compare(kind(&s.prompts[a]), kind(&s.prompts[b])) })
	}
	// The object with most prompts comes first.
	slices.SortStableFunc(all, func(a, b *kinds) int { return cmp.Compare(b.count(), a.count()) })
	return all
}

func (k *kinds) count() int { return len(k.differing) + len(k.same) }

// Count counts the prompts.
func (s *Set) Count() (n graph.Prompts) {
	for i, k := range s.kinds() {
		if i == 0 {
			n.Most = k.count()
			continue
		}
		n.Others += k.count()
		n.Kept += len(k.differing)
	}
	return n
}

// thin returns a set in which the object that has most prompts has so many of them, and the others
// one of each kind.
func (s *Set) thin(most int) *Set {
	out := &Set{}
	frame := 0
	add := func(list ...int) {
		slices.SortFunc(list, func(a, b int) int { return cmp.Compare(s.prompts[a].Object, s.prompts[b].Object) })
		for _, i := range list {
			var m *maskFile
			if s.masks != nil {
				m = s.masks[i]
			}
			out.add(frame, s.prompts[i], m)
		}
		frame++
	}
	all := s.kinds()
	for _, i := range all[0].same[:min(max(most-len(all[0].differing), 0), len(all[0].same))] {
		add(i)
	}
	for k, more := 0, true; more; k++ {
		var list []int
		for _, o := range all {
			if k < len(o.differing) {
				list = append(list, o.differing[k])
			}
		}
		if more = len(list) > 0; more {
			add(list...)
		}
	}
	return out
}

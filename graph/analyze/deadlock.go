package analyze

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
)

// A plan is free of deadlock when it never stops before the input ends. By the engine's rules
// (marking.go, unrolled over the frames of an iteration in throughput.go) every event waits for
// others, some of them iterations back. The plan stops if and only if some event waits, through
// others, for itself in the same iteration. Such a cycle is the chain of waits to tell.

// Deadlock returns nil when the plan goes on to the end. Resolve calls it.
func Deadlock(p *graph.Plan) error {
	cycle := unroll(p, nil).deadlock()
	if cycle == nil {
		return nil
	}
	message := "deadlock: " + describeWaits(p, cycle)
	d := p.Complain("stages", "%s", message)
	if e, need := smallestCapacity(p, cycle); e != nil {
		d = p.Complain(fmt.Sprintf("stages.%s.inputs.%s.capacity", e.To.ID, e.Input().Name), "%s", message)
		d.Label = fmt.Sprintf("capacity = %d or more, or none for the default", need)
	}
	return graph.Diagnostics{d}
}

// deadlock returns a shortest cycle of rules that leads back to the same iteration, nil when there
// is none. Each rule's event waits for that of the rule before it.
func (u *unrolled) deadlock() (shortest []timedRule) {
	now := make([][]int, len(u.ids)) // rules of the same iteration, by the event they come from
	for i, r := range u.rules {
		if r.back == 0 {
			now[r.a] = append(now[r.a], i)
		}
	}
	if acyclic(now, u.rules) {
		return nil
	}
	for start := range now {
		by := map[int]int{} // rule that led to an event
		for todo := []int{start}; len(todo) > 0; todo = todo[1:] {
			for _, i := range now[todo[0]] {
				b := u.rules[i].b
				if _, seen := by[b]; seen {
					continue
				}
				by[b] = i
				todo = append(todo, b)
			}
		}
		if _, round := by[start]; !round {
			continue
		}
		cycle := []timedRule{u.rules[by[start]]}
		for at := cycle[0].a; at != start; at = cycle[len(cycle)-1].a {
			cycle = append(cycle, u.rules[by[at]])
		}
		if shortest == nil || len(cycle) < len(shortest) {
			slices.Reverse(cycle)
			shortest = cycle
		}
	}
	return shortest
}

// acyclic reports whether events can be put in an order that all rules between them keep: whether
// there is no cycle.
func acyclic(out [][]int, rules []timedRule) bool {
	waits := make([]int, len(out))
	for _, list := range out {
		for _, i := range list {
			waits[rules[i].b]++
		}
	}
	var ready []int
	for id, n := range waits {
		if n == 0 {
			ready = append(ready, id)
		}
	}
	for k := 0; k < len(ready); k++ {
		for _, i := range out[ready[k]] {
			if waits[rules[i].b]--; waits[rules[i].b] == 0 {
				ready = append(ready, rules[i].b)
			}
		}
	}
	return len(ready) == len(out)
}

// describeWaits puts a cycle into words, from the stage that stands first in the plan on.
func describeWaits(p *graph.Plan, cycle []timedRule) string {
	type wait struct {
		node *graph.PlanNode
		text string
	}
	var all []wait
	for _, r := range slices.Backward(cycle) {
		e := r.to.edge
		switch {
		case r.to.kind == take && r.from.kind == send && r.from.node != r.to.node:
			all = append(all, wait{r.to.node, "waits for " + e.Source()})
		case r.to.kind == send && r.from.kind == take && r.from.edge == e:
			all = append(all, wait{r.to.node, fmt.Sprintf("waits for room on %s -> %s (capacity %d)", e.Source(), e.To.ID, e.Capacity)})
		case r.to.kind == fire && r.from.kind == drop:
			all = append(all, wait{r.to.node, fmt.Sprintf("waits for a lease that %s holds (batch %d)", r.from.node.ID, p.Pipeline.Batch)})
		case r.to.kind == fire && p.Inside(r.to.node) > 1:
			all = append(all, wait{r.to.node, fmt.Sprintf("waits for %d frames", p.Inside(r.to.node))})
		}
	}
	first := 0
	for i := range all {
		if slices.Index(p.Nodes, all[i].node) < slices.Index(p.Nodes, all[first].node) {
			first = i
		}
	}
	var out []string
	for i := range all {
		w := all[(first+i)%len(all)]
		if text := w.node.ID + " " + w.text; i == 0 || text != out[len(out)-1] {
			out = append(out, text)
		}
	}
	return strings.Join(out, "; ")
}

// smallestCapacity finds an edge whose capacity the file gives, on a cycle, that made larger lets
// the plan go on, and the least that it needs. The edge is nil when there is none.
func smallestCapacity(p *graph.Plan, cycle []timedRule) (*graph.Edge, int) {
	for _, r := range cycle {
		e := r.to.edge
		if r.to.kind != send || r.from.kind != take || r.from.edge != e || e.Chosen {
			continue
		}
		larger := p.Edit(nil)
		trial := larger.Edges[slices.Index(p.Edges, e)]
		for range min(4*p.Pipeline.Batch, 256) {
			trial.Capacity++
			if unroll(larger, nil).deadlock() == nil {
				return e, trial.Capacity
			}
		}
	}
	return nil, 0
}

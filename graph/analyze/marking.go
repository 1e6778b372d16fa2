package analyze

import (
	"cmp"
	"math"
	"slices"

	"github.com/seed49bbd0e6/tachi/graph"
)

// How many tokens can be alive at once is read off the plan's marked graph. A stage goes through
// the same events for each frame: it takes a token from one input after the other, fires (holding a
// lease, where it takes one), drops its inputs, and sends its outputs on one edge after the other.
// Each rule of the engine ties two events: to happens for frame f only after from has happened for
// frame f - slack, hence
//
//	count(to) <= count(from) + slack
//
// where count is how often an event has happened. The rules are:
//
//	a stage does one after the other   fire <= take, drop <= fire, send <= drop
//	and has micro frames at most       first <= last + inside        (inside: micro when it gathers, else 1)
//	an edge carries what was sent      take <= send + delay
//	and holds no more than fits        send <= take + capacity - delay
//	a frame on the device has one      fire <= drop of the holder + batch, for whoever holds a leased token
//	of batch leases
//
// Inequalities add up along a path, so the slack of the shortest path from b to a bounds count(a) -
// count(b), whatever the timing. A token is alive from the firing that makes it until its last
// reader has dropped it: the shortest path from that drop back to the firing is the most tokens
// there can be.

// event is one of a stage's.
type event struct {
	node *graph.PlanNode
	kind eventKind
	edge *graph.Edge // of take and send
}

type eventKind uint8

const (
	take eventKind = iota
	fire
	drop
	send
)

// rule is count(to) <= count(from) + slack.
type rule struct {
	from, to event
	slack    int
}

// events lists a stage's events in their order.
func events(p *graph.Plan, n *graph.PlanNode) (all []event) {
	for _, port := range p.TakeOrder(n) {
		all = append(all, event{n, take, n.In[port]})
	}
	all = append(all, event{n, fire, nil}, event{n, drop, nil})
	out := slices.Clone(n.Out)
	slices.SortStableFunc(out, func(a, b *graph.Edge) int { return cmp.Compare(a.FromPort, b.FromPort) })
	for _, e := range out {
		all = append(all, event{n, send, e})
	}
	return all
}

// rules lists the engine's rules for a resolved plan.
func rules(p *graph.Plan) []rule {
	var out []rule
	tie := func(from, to event, slack int) { out = append(out, rule{from, to, slack}) }
	for _, n := range p.Nodes {
		all := events(p, n)
		for i := range all[1:] {
			tie(all[i], all[i+1], 0)
		}
		tie(all[len(all)-1], all[0], p.Inside(n))
		for _, kind := range []eventKind{take, send} { // of one frame after those of another
			if first, last := firstLast(all, kind); first != last {
				tie(last, first, 1)
			}
		}
		if n.Stage.Lease {
			for _, holder := range holders(n) {
				tie(event{holder, drop, nil}, event{n, fire, nil}, p.Pipeline.Batch)
			}
		}
	}
	for _, e := range p.Edges {
		tie(event{e.From, send, e}, event{e.To, take, e}, e.Delay)
		tie(event{e.To, take, e}, event{e.From, send, e}, e.Capacity-e.Delay)
	}
	return out
}

// firstLast returns the first and the last event of a kind.
func firstLast(all []event, kind eventKind) (first, last event) {
	for _, e := range all {
		if e.kind == kind {
			if last = e; first.node == nil {
				first = e
			}
		}
	}
	return first, last
}

// leased reports whether the tokens of an edge share the lease of their frame.
func leased(e *graph.Edge) bool { return e.Output().Device() && !e.From.Remembers(e.FromPort) }

// holders returns the stages that hold the leases which n takes: n itself, and whoever a leased
// token leads to.
func holders(n *graph.PlanNode) []*graph.PlanNode {
	out, seen := []*graph.PlanNode{n}, map[*graph.PlanNode]bool{n: true}
	for i := 0; i < len(out); i++ {
		for _, e := range out[i].Out {
			if leased(e) && !seen[e.To] {
				seen[e.To] = true
				out = append(out, e.To)
			}
		}
	}
	return out
}

// slack returns the shortest paths from an event to all others, by relaxing every rule until
// nothing changes. A plan that is live has no cycle below one, so that ends.
func slack(rules []rule, from event) map[event]int {
	least := map[event]int{from: 0}
	for changed, rounds := true, 0; changed && rounds <= len(rules); rounds++ {
		changed = false
		for _, r := range rules {
			if d, ok := least[r.from]; ok {
				if old, ok := least[r.to]; !ok || d+r.slack < old {
					least[r.to], changed = d+r.slack, true
				}
			}
		}
	}
	return least
}

// Alive returns for every stage, by output port, the most of its tokens that can exist at once,
// those of the firing under way included.
func Alive(p *graph.Plan) map[*graph.PlanNode][]int {
	all := rules(p)
	back := map[*graph.PlanNode]map[event]int{} // from a stage's drop
	for _, n := range p.Nodes {
		back[n] = slack(all, event{n, drop, nil})
	}
	out := map[*graph.PlanNode][]int{}
	for _, n := range p.Nodes {
		counts := make([]int, len(n.Stage.Out))
		for i := range counts {
			counts[i] = p.Inside(n) // at the least, those that it makes
		}
		for _, e := range n.Out {
			most, ok := back[e.To][event{n, fire, nil}]
			if !ok {
				most = math.MaxInt32 // no rule holds it back
			}
			counts[e.FromPort] = max(counts[e.FromPort], most+e.Delay)
		}
		out[n] = counts
	}
	return out
}

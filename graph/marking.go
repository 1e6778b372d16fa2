package graph

import (
	"cmp"
	"math"
	"slices"
)

// How many tokens can be alive at once is read off the plan's marked graph. A stage goes through four events for each
// frame: it has taken its inputs, it fires (holding a credit, where it takes one), it has dropped its inputs, it has sent
// its outputs. Each rule of the engine ties two events: "to happens for frame f only after from has happened for frame
// f - slack", hence
//
//	count(to) <= count(from) + slack
//
// where count is how often an event has happened. The rules are:
//
//	a stage works in order         fired <= taken, dropped <= fired, sent <= dropped
//	and on micro frames at most    taken <= sent + inside       (inside: micro when it gathers, else 1)
//	an edge carries what was made  taken(to) <= dropped(from) + delay
//	and holds no more than fits    sent(from) <= taken(to) + capacity - delay, and one more where the stage takes the
//	                               token of another input later: it may have this one in its hand and wait
//	a frame on the device has one  fired(lease) <= dropped(holder) + batch, for whoever holds a leased token
//	of batch credits
//
// Inequalities add up along a path, so the slack of the shortest path from b to a bounds count(a) - count(b), whatever the
// timing. A token is alive from the firing that makes it until its last reader has dropped it: the shortest path from that
// drop back to the firing is the most tokens there can be.

// event is one of the four of a stage.
type event struct {
	node *PlanNode
	kind eventKind
}

type eventKind uint8

const (
	taken eventKind = iota
	fired
	dropped
	sent
)

// rule is count(to) <= count(from) + slack.
type rule struct {
	from, to event
	slack    int
}

// rules lists the engine's rules for a resolved plan.
func (p *Plan) rules() []rule {
	var out []rule
	tie := func(from, to event, slack int) { out = append(out, rule{from, to, slack}) }
	for _, n := range p.Nodes {
		tie(event{n, taken}, event{n, fired}, 0)
		tie(event{n, fired}, event{n, dropped}, 0)
		tie(event{n, dropped}, event{n, sent}, 0)
		tie(event{n, sent}, event{n, taken}, p.inside(n))
		if n.Stage.Lease {
			for _, holder := range p.holders(n) {
				tie(event{holder, dropped}, event{n, fired}, p.Pipeline.Batch)
			}
		}
	}
	for _, n := range p.Nodes {
		order := p.TakeOrder(n)
		for i, port := range order {
			e, hand := n.In[port], 1
			if i == len(order)-1 {
				hand = 0
			}
			tie(event{e.From, dropped}, event{n, taken}, e.Delay)
			tie(event{n, taken}, event{e.From, sent}, e.Capacity-e.Delay+hand)
		}
	}
	return out
}

// TakeOrder lists the connected inputs of a stage in the order in which it takes their tokens: those that come last
// first, so that it waits for them with empty hands. That is what was made by a later stage, and before all what comes
// over a delay, from the end of the frame before.
func (p *Plan) TakeOrder(n *PlanNode) (ports []int) {
	for i, e := range n.In {
		if e != nil {
			ports = append(ports, i)
		}
	}
	slices.SortStableFunc(ports, func(a, b int) int {
		x, y := n.In[a], n.In[b]
		return cmp.Or(cmp.Compare(y.Delay, x.Delay), cmp.Compare(slices.Index(p.Nodes, y.From), slices.Index(p.Nodes, x.From)))
	})
	return ports
}

// inside is the most frames that a stage works on at once.
func (p *Plan) inside(n *PlanNode) int {
	if n.Stage.Gather && !n.InCycle {
		return p.Pipeline.Micro
	}
	return 1
}

// leased says whether the tokens of an edge share the lease of their frame.
func (e *Edge) leased() bool { return e.out().Device() && !e.From.Remembers(e.FromPort) }

// Remembers says whether the tokens of an output are state: declared so, or read on a later frame. They carry no lease.
func (n *PlanNode) Remembers(port int) bool {
	state := n.Stage.Out[port].State
	for _, e := range n.Out {
		state = state || e.FromPort == port && e.Delay > 0
	}
	return state
}

// holders returns the stages that hold the leases which n takes: n itself, and whoever a leased token leads to.
func (p *Plan) holders(n *PlanNode) []*PlanNode {
	out, seen := []*PlanNode{n}, map[*PlanNode]bool{n: true}
	for i := 0; i < len(out); i++ {
		for _, e := range out[i].Out {
			if e.leased() && !seen[e.To] {
				seen[e.To] = true
				out = append(out, e.To)
			}
		}
	}
	return out
}

// slack returns the shortest paths from an event to all others, by relaxing every rule until nothing changes. A plan that
// is live has no cycle below one, so that ends.
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

// Alive returns for every stage, by output port, the most of its tokens that can exist at once, those of the firing under
// way included.
func (p *Plan) Alive() map[*PlanNode][]int {
	rules := p.rules()
	back := map[*PlanNode]map[event]int{} // from a stage's drop
	for _, n := range p.Nodes {
		back[n] = slack(rules, event{n, dropped})
	}
	out := map[*PlanNode][]int{}
	for _, n := range p.Nodes {
		counts := make([]int, len(n.Stage.Out))
		for i := range counts {
			counts[i] = p.inside(n) // at the least, those that it makes
		}
		for _, e := range n.Out {
			most, ok := back[e.To][event{n, fired}]
			if !ok {
				most = math.MaxInt32 // no rule holds it back
			}
			counts[e.FromPort] = max(counts[e.FromPort], most+e.Delay)
		}
		out[n] = counts
	}
	return out
}

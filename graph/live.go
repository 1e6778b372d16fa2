package graph

import (
	"fmt"
	"strings"
)

// A plan is live when it never stops before the input ends. That is decided by playing it with empty tokens: every
// stage takes one token from each input, all at once, and for up to micro frames when it gathers; waits for credits when
// it takes leases; then puts the outputs of one frame after the other on its edges, all at once; and each step waits
// where a queue is empty or full. An engine that takes and sends one by one has more room than this, never less.
//
// No step is ever disabled by another node's step, so the order of steps does not matter: if one order stops, all do,
// and the same nodes wait for the same things. Queues are filled no further than someone needs, and what a gather or
// a credit can ask for repeats with the batch, so a few batches show all there is to see.

// token of the play: the frame that it belongs to when it holds that frame's lease, else -1.
type playToken int

const leaseless playToken = -1

type playNode struct {
	*PlanNode
	micro   int
	leases  []playToken // frames taken and not sent yet: whose lease each holds
	taken   []playToken // tokens of the frame that is being taken
	sending bool
	emitted int // source: frames so far
}

type play struct {
	*Plan
	nodes  []*playNode
	queues map[*Edge][]playToken
	shares map[playToken]int // holders of each frame's lease
	taken  int               // frames that ever took a lease
	frames int               // that the source emits
}

// Live plays the plan and returns nil when it goes on to the end. Resolve calls it.
func (p *Plan) Live() error {
	g := p.play()
	if g.ends() {
		return nil
	}
	var waits []string
	for _, n := range g.nodes {
		if w := g.waits(n); w != "" {
			waits = append(waits, n.ID+" waits for "+w)
		}
	}
	d := p.Complain("stages", "deadlock: %s", strings.Join(waits, "; "))
	if e, need := p.relief(); e != nil {
		key := fmt.Sprintf("stages.%s.inputs.%s.capacity", e.To.ID, e.in().Name)
		d = p.Complain(key, "%s", d.Message)
		d.Label = fmt.Sprintf("capacity = %d or more, or none for the default", need)
	}
	return Diagnostics{d}
}

// relief finds an edge of given capacity that, made larger, lets the plan go on, and the least that it needs.
func (p *Plan) relief() (*Edge, int) {
	for _, e := range p.Edges {
		given := e.Capacity
		if e.auto {
			continue
		}
		for e.Capacity = given + 1; e.Capacity <= given+min(4*p.Pipeline.Batch, 256); e.Capacity++ {
			if p.play().ends() {
				need := e.Capacity
				e.Capacity = given
				return e, need
			}
		}
		e.Capacity = given
	}
	return nil, 0
}

// play runs until nothing moves.
func (p *Plan) play() *play {
	g := &play{Plan: p, queues: map[*Edge][]playToken{}, shares: map[playToken]int{}, frames: 4*p.Pipeline.Batch + 16}
	for _, n := range p.Nodes {
		g.nodes = append(g.nodes, &playNode{PlanNode: n, micro: p.inside(n)})
	}
	for _, e := range p.Edges {
		if e.Delay > 0 {
			g.queues[e] = []playToken{leaseless}
		}
	}
	for moved := true; moved; {
		moved = false
		for _, n := range g.nodes {
			for g.step(n) {
				moved = true
			}
		}
	}
	return g
}

// ends says whether the source has emitted every frame.
func (g *play) ends() bool {
	for _, n := range g.nodes {
		if n.Stage.Role == Source && n.emitted < g.frames {
			return false
		}
	}
	return true
}

// step does the next thing a node has to do, if it can.
func (g *play) step(n *playNode) bool {
	switch {
	case n.sending:
		return g.send(n)
	case n.Stage.Role == Source:
		if n.emitted == g.frames || n.Stage.Lease && len(g.shares) >= g.Pipeline.Batch {
			return false
		}
		n.leases, n.sending = []playToken{g.lease(n, leaseless)}, true
		n.emitted++
		return true
	case n.taken == nil:
		return g.take(n)
	}
	held := leaseless
	for _, t := range n.taken {
		if t != leaseless {
			held = t
		}
	}
	if held == leaseless && n.Stage.Lease && len(g.shares) >= g.Pipeline.Batch {
		return false
	}
	held = g.lease(n, held)
	for _, t := range n.taken {
		g.drop(t)
	}
	n.leases, n.taken = append(n.leases, held), nil
	n.sending = len(n.leases) == n.micro
	return true
}

// lease gives a node its share of a frame's lease: a new one, or of the lease that its inputs hold.
func (g *play) lease(n *playNode, held playToken) playToken {
	if held == leaseless {
		if !n.Stage.Lease {
			return leaseless
		}
		held = playToken(g.taken)
		g.taken++
	}
	g.shares[held]++
	return held
}

func (g *play) drop(t playToken) {
	if t == leaseless {
		return
	}
	if g.shares[t]--; g.shares[t] == 0 {
		delete(g.shares, t)
	}
}

// take takes a token from each input, when all have one.
func (g *play) take(n *playNode) bool {
	for _, e := range n.In {
		if e != nil && len(g.queues[e]) == 0 {
			return false
		}
	}
	n.taken = []playToken{}
	for _, e := range n.In {
		if e != nil {
			n.taken = append(n.taken, g.queues[e][0])
			g.queues[e] = g.queues[e][1:]
		}
	}
	return true
}

// send puts the first frame's tokens on the edges, when all have room.
func (g *play) send(n *playNode) bool {
	if g.full(n) != nil {
		return false
	}
	lease := n.leases[0]
	for _, e := range n.Out {
		t := leaseless
		if lease != leaseless && e.leased() {
			t = lease
			g.shares[t]++
		}
		g.queues[e] = append(g.queues[e], t)
	}
	g.drop(lease)
	n.leases = n.leases[1:]
	n.sending = len(n.leases) > 0
	return true
}

// full returns an edge that a node cannot send on, nil when there is none.
func (g *play) full(n *playNode) *Edge {
	for _, e := range n.Out {
		if len(g.queues[e]) >= e.Capacity {
			return e
		}
	}
	return nil
}

// waits says what a node waits for.
func (g *play) waits(n *playNode) string {
	switch {
	case n.sending:
		e := g.full(n)
		return fmt.Sprintf("room on %s -> %s (capacity %d)", e.source(), e.To.ID, e.Capacity)
	case n.Stage.Role != Source && n.taken == nil:
		var empty []string
		for _, e := range n.In {
			if e != nil && len(g.queues[e]) == 0 {
				empty = append(empty, e.source())
			}
		}
		return strings.Join(empty, " and ")
	case n.emitted == g.frames:
		return ""
	}
	return fmt.Sprintf("a credit (batch %d)", g.Pipeline.Batch)
}

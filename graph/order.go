package graph

import (
	"cmp"
	"slices"
)

// into puts the checked draft into a plan: nodes in topological order over the edges without delay, among those that
// are ready the first of the file first, so that the order never depends on a map.
func (g *draft) into(p *Plan) {
	waits := map[*PlanNode]int{}
	for _, e := range g.edges {
		if e.Delay == 0 {
			waits[e.To]++
		}
		p.Edges = append(p.Edges, e.Edge)
		e.From.Out = append(e.From.Out, e.Edge)
	}
	for len(p.Nodes) < len(g.nodes) {
		i := slices.IndexFunc(g.nodes, func(n *draftNode) bool { return waits[n.PlanNode] == 0 })
		if i < 0 {
			return // a circle; judge has refused it
		}
		n := g.nodes[i].PlanNode
		waits[n] = -1
		p.Nodes = append(p.Nodes, n)
		for _, e := range n.Out {
			if e.Delay == 0 {
				waits[e.To]--
			}
		}
	}
	for _, n := range p.Nodes {
		slices.SortStableFunc(n.Out, func(a, b *Edge) int { return cmp.Compare(a.FromPort, b.FromPort) })
	}
	for _, ring := range p.Cycles() {
		for _, n := range ring {
			n.InCycle = true
		}
	}
}

// Cycles returns the groups of nodes that are tied to each other by feedback: the strongly connected components over
// all edges, delayed ones too, that hold a cycle. Groups and their nodes stand in topological order.
//
// Two nodes belong to one component when each can reach the other; with tens of nodes, asking just that is enough.
func (p *Plan) Cycles() [][]*PlanNode {
	reach := map[*PlanNode]map[*PlanNode]bool{}
	for _, n := range p.Nodes {
		seen := map[*PlanNode]bool{}
		for todo := []*PlanNode{n}; len(todo) > 0; {
			at := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for _, e := range at.Out {
				if !seen[e.To] {
					seen[e.To] = true
					todo = append(todo, e.To)
				}
			}
		}
		reach[n] = seen
	}
	var rings [][]*PlanNode
	done := map[*PlanNode]bool{}
	for _, n := range p.Nodes {
		if done[n] || !reach[n][n] {
			continue
		}
		var ring []*PlanNode
		for _, m := range p.Nodes {
			if reach[n][m] && reach[m][n] {
				ring = append(ring, m)
				done[m] = true
			}
		}
		rings = append(rings, ring)
	}
	return rings
}

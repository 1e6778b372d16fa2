package graph

import (
	"cmp"
	"slices"
)

// Join puts nodes and edges into the plan: nodes in topological order over the edges without delay,
// among those that are ready the first of the file first, so that the order depends on no map. In
// and Out of the nodes are as the edges say.
func (p *Plan) Join(nodes []*PlanNode, edges []*Edge) {
	waits := map[*PlanNode]int{}
	p.Edges = edges
	for _, e := range edges {
		if e.Delay == 0 {
			waits[e.To]++
		}
		e.From.Out = append(e.From.Out, e)
	}
	for len(p.Nodes) < len(nodes) {
		i := slices.IndexFunc(nodes, func(n *PlanNode) bool { return waits[n] == 0 })
		if i < 0 {
			return // a cycle, which loading has refused
		}
		n := nodes[i]
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
	for _, cycle := range p.Cycles() {
		for _, n := range cycle {
			n.InCycle = true
		}
	}
}

// Cycles returns the groups of nodes that are tied to each other by feedback: the strongly
// connected components over all edges, delayed ones too, that hold a cycle. Groups and their nodes
// stand in topological order.
//
// Two nodes belong to one component when each can reach the other; with tens of nodes, asking just
// that is enough.
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
	var cycles [][]*PlanNode
	done := map[*PlanNode]bool{}
	for _, n := range p.Nodes {
		if done[n] || !reach[n][n] {
			continue
		}
		var component []*PlanNode
		for _, m := range p.Nodes {
			if reach[n][m] && reach[m][n] {
				component = append(component, m)
				done[m] = true
			}
		}
		cycles = append(cycles, component)
	}
	return cycles
}

package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/tree"
)

// Checking looks at the graph as a whole: one source, nothing missing, nothing cut off, and no
// cycle of stages that each wait for another's token of the same frame. Edges with a delay carry a
// token from the start and so never close such a cycle.

func (l *loader) check(g *draft, stages *tree.Node) {
	if slices.ContainsFunc(g.nodes, func(n *draftNode) bool { return n.Stage == nil }) {
		l.missing(g)
		return // what an unknown stage would have been decides the rest
	}
	l.sources(g, stages)
	l.missing(g)
	l.cycles(g)
	l.reach(g)
}

// sources checks that there is exactly one source.
func (l *loader) sources(g *draft, stages *tree.Node) {
	var first *draftNode
	for _, n := range g.nodes {
		switch {
		case n.Stage.Role != graph.Source:
		case first == nil:
			first = n
		default:
			d := n.table.AtKey("stage %q is a second source beside %q", n.ID, first.ID)
			d.Notes = []string{"two sources share the residency leases and can starve each other: run two pipelines"}
			l.add(d)
		}
	}
	if first != nil {
		return
	}
	var all []string
	for _, s := range l.suite {
		if s.Role == graph.Source {
			all = append(all, s.Name)
		}
	}
	d := stages.AtKey("the pipeline has no source")
	d.Notes = []string{"sources: " + strings.Join(all, ", ")}
	l.add(d)
}

// missing reports inputs that must be connected and are not.
func (l *loader) missing(g *draft) {
	for _, n := range g.nodes {
		if n.Stage == nil {
			continue
		}
		open := 0
		for i, e := range n.In {
			p := &n.Stage.In[i]
			if e != nil || n.named[i] {
				continue
			}
			if open++; p.Optional {
				continue
			}
			d := n.table.AtKey("input %q of %s is not connected", p.Name, title(n.ID, n.Stage))
			d.Notes = append(offers(g, n, p), fmt.Sprintf("%s: %s", p.Name, p.Doc))
			l.add(d)
		}
		if len(n.In) > 0 && open == len(n.In) && !slices.ContainsFunc(n.Stage.In, func(p graph.Port) bool { return !p.Optional }) {
			d := n.table.AtKey("%s has no input", title(n.ID, n.Stage))
			d.Notes = []string{"inputs: " + portList(n.Stage.In)}
			l.add(d)
		}
	}
}

// instant reports whether an edge ties two stages within one frame. An input that should have a
// delay and lacks it has been reported already, and is taken as it was meant.
func (e *draftEdge) instant() bool { return e.Delay == 0 && !e.To.Stage.In[e.ToPort].Delay }

// cycles reports each cycle of instant edges, by depth-first search: an edge to a node on the
// current path closes one.
func (l *loader) cycles(g *draft) {
	state := map[*graph.PlanNode]int{} // 1: on the path, 2: done
	var path []*graph.PlanNode
	var visit func(n *graph.PlanNode)
	visit = func(n *graph.PlanNode) {
		state[n] = 1
		path = append(path, n)
		for _, e := range g.edges {
			if e.From != n || !e.instant() {
				continue
			}
			switch state[e.To] {
			case 0:
				visit(e.To)
			case 1:
				l.cycle(e, path[slices.Index(path, e.To):])
			}
		}
		path = path[:len(path)-1]
		state[n] = 2
	}
	for _, n := range g.nodes {
		if state[n.PlanNode] == 0 {
			visit(n.PlanNode)
		}
	}
}

// cycle reports the cycle of nodes that edge e closes.
func (l *loader) cycle(e *draftEdge, nodes []*graph.PlanNode) {
	var ids, ports []string
	for _, n := range nodes {
		ids = append(ids, n.ID)
		for i, p := range n.Stage.In {
			if p.Delay {
				ports = append(ports, fmt.Sprintf("%s.%s", n.ID, n.Stage.In[i].Name))
			}
		}
	}
	d := e.at.At("cycle within one frame: %s", strings.Join(append(ids, ids[0]), " -> "))
	d.Label = "each waits for the other"
	if len(ports) > 0 {
		d.Notes = []string{fmt.Sprintf("only an edge with delay = 1 may lead back; the inputs for one are: %s", strings.Join(ports, ", "))}
	} else {
		d.Notes = []string{"only an edge with delay = 1 may lead back, and none of these stages has an input for one"}
	}
	l.add(d)
}

// reach reports stages that no path of instant edges leads to from the source: nothing would tell
// them of a frame.
func (l *loader) reach(g *draft) {
	seen := map[*graph.PlanNode]bool{}
	for _, n := range g.nodes {
		if n.Stage.Role == graph.Source {
			seen[n.PlanNode] = true
		}
	}
	if len(seen) == 0 {
		return
	}
	for grew := true; grew; {
		grew = false
		for _, e := range g.edges {
			if seen[e.From] && !seen[e.To] && e.instant() {
				seen[e.To], grew = true, true
			}
		}
	}
	for _, n := range g.nodes {
		// A node with an open or misnamed input has its message; stages downstream of an unreached
		// one are not reported again.
		if seen[n.PlanNode] || l.alreadyReported(g, n, map[*draftNode]bool{}) ||
			slices.ContainsFunc(n.In, func(e *graph.Edge) bool { return e != nil && e.Delay == 0 && !seen[e.From] }) {
			continue
		}
		d := n.table.AtKey("stage %q is not reached from the source", n.ID)
		d.Notes = []string{"connect it with an edge without delay, or remove it"}
		l.add(d)
	}
}

// alreadyReported reports whether n, or a stage that it depends on, has an input without an edge,
// or is on a cycle. known holds the answers so far; a node on the way counts as reported, since
// coming back to it closes a cycle.
func (l *loader) alreadyReported(g *draft, n *draftNode, known map[*draftNode]bool) bool {
	if answer, ok := known[n]; ok {
		return answer
	}
	known[n] = true
	answer, open := false, 0
	for i, e := range n.In {
		switch {
		case e == nil:
			open++
			answer = answer || n.named[i] || !n.Stage.In[i].Optional
		case e.Delay == 0:
			answer = l.alreadyReported(g, g.node(e.From.ID), known) || answer
		}
	}
	known[n] = answer || len(n.In) > 0 && open == len(n.In)
	return known[n]
}

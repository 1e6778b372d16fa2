package load

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/tree"
)

// Wiring turns the stage tables into nodes and edges. A stage whose name is unknown stays as a node
// without ports, so that what refers to it is not reported as well: one mistake, one message.

// draft is a graph in the making. Nodes stand in file order.
type draft struct {
	nodes []*draftNode
	edges []*draftEdge
}

type draftNode struct {
	*graph.PlanNode
	table *tree.Node
	named []bool // inputs that the file names, rightly or not: those are not also missing
}

type draftEdge struct {
	*graph.Edge
	at *tree.Node // the value that names the source port
}

// planned returns the nodes and edges of the draft.
func (g *draft) planned() (nodes []*graph.PlanNode, edges []*graph.Edge) {
	for _, n := range g.nodes {
		nodes = append(nodes, n.PlanNode)
	}
	for _, e := range g.edges {
		edges = append(edges, e.Edge)
	}
	return nodes, edges
}

func (g *draft) node(id string) *draftNode {
	for _, n := range g.nodes {
		if n.ID == id {
			return n
		}
	}
	return nil
}

var identifier = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// build makes the nodes and decodes their options.
func (l *loader) build(stages *tree.Node, d *decoder) *draft {
	g := &draft{}
	for _, id := range stages.Order {
		t := stages.Table[id]
		if t.Table == nil {
			l.add(t.At("stages.%s is a table, found %s", id, t.Found()))
			continue
		}
		if !identifier.MatchString(id) {
			x := t.AtKey("%q cannot name a stage", id)
			x.Notes = []string{"a name starts with a letter and goes on with letters, digits, _ and -"}
			l.add(x)
		}
		n := &draftNode{PlanNode: &graph.PlanNode{ID: id, Line: t.AtKey("").Line}, table: t}
		if n.Stage = l.lookup(t, id, stages); n.Stage != nil {
			n.In = make([]*graph.Edge, len(n.Stage.In))
			n.named = make([]bool, len(n.Stage.In))
			n.Options = d.options(n.Stage, id, t)
		}
		g.nodes = append(g.nodes, n)
	}
	return g
}

// lookup finds the stage that a table names.
func (l *loader) lookup(t *tree.Node, id string, stages *tree.Node) *graph.Stage {
	n := t.Table["stage"]
	if n == nil && t.Source.Flag {
		d := t.AtKey("there is no stage %q in the pipeline", id)
		d.Label = graph.Suggest(id, slices.DeleteFunc(slices.Clone(stages.Order), func(o string) bool { return o == id }))
		l.add(d)
		return nil
	}
	all := names(l.suite, func(s *graph.Stage) string { return s.Name })
	if n == nil {
		d := t.AtKey("stage %q does not say what it is", id)
		d.Notes = []string{`add stage = "...", one of: ` + strings.Join(all, ", ")}
		l.add(d)
		return nil
	}
	name, _ := l.str(t, "stage")
	for _, s := range l.suite {
		if s.Name == name {
			return s
		}
	}
	if _, isText := n.Value.(string); isText {
		d := n.At("there is no stage called %q", name)
		if d.Label = graph.Suggest(name, all); d.Label == "" {
			d.Notes = []string{"stages: " + strings.Join(all, ", ")}
		}
		l.add(d)
	}
	return nil
}

// wire makes the edges of every node.
func (l *loader) wire(g *draft) {
	for _, n := range g.nodes {
		if n.Stage == nil || n.table.Table["inputs"] == nil {
			continue
		}
		inputs := l.table(n.table, "inputs")
		if inputs == nil {
			n.named = slices.Repeat([]bool{true}, len(n.named))
			continue
		}
		for _, name := range inputs.Order {
			l.input(g, n, name, inputs.Table[name])
		}
	}
}

// input makes the edge of one input.
func (l *loader) input(g *draft, n *draftNode, name string, at *tree.Node) {
	to := slices.IndexFunc(n.Stage.In, func(p graph.Port) bool { return p.Name == name })
	if to < 0 {
		if at.Inherited {
			return
		}
		d := at.AtKey("%s has no input %q", title(n.ID, n.Stage), name)
		if meant, ok := graph.Nearest(name, names(n.Stage.In, func(p graph.Port) string { return p.Name })); ok {
			d.Label = fmt.Sprintf("did you mean %q?", meant)
			n.named[slices.IndexFunc(n.Stage.In, func(p graph.Port) bool { return p.Name == meant })] = true
		}
		d.Notes = []string{"inputs: " + portList(n.Stage.In)}
		if len(n.Stage.In) == 0 {
			d.Label, d.Notes = "", []string{"a source takes no inputs"}
		}
		l.add(d)
		return
	}
	n.named[to] = true
	port := &n.Stage.In[to]
	e := &draftEdge{Edge: &graph.Edge{To: n.PlanNode, ToPort: to}, at: at}
	if at.Table != nil {
		if !l.details(e, name) {
			return
		}
	}
	ref, ok := e.at.Value.(string)
	if !ok {
		d := e.at.At(`input %q of stage %q is "stage.port" or { from = "stage.port", delay = 1 }, found %s`, name, n.ID, e.at.Found())
		l.add(d)
		return
	}
	from, out, known := l.output(g, n, ref, e.at)
	if !known {
		return
	}
	e.Line = e.at.At("").Line
	e.From, e.FromPort = from.PlanNode, out
	n.In[to] = e.Edge
	l.fit(e, port, from, g)
	g.edges = append(g.edges, e)
}

// details reads the table form of an input.
func (l *loader) details(e *draftEdge, name string) bool {
	t := e.at
	l.strict(t, fmt.Sprintf("input %q", name), []string{"capacity", "delay", "from"})
	if n := t.Table["delay"]; n != nil {
		v, ok := n.Value.(int64)
		if !ok || v < 0 || v > 1 {
			l.add(n.At("delay is 0 or 1 frames, found %s", n.Found()))
		}
		e.Delay = int(min(max(v, 0), 1))
	}
	e.Capacity = l.capacity(t)
	if t.Table["from"] == nil {
		l.add(t.AtKey(`input %q needs from = "stage.port"`, name))
		return false
	}
	e.at = t.Table["from"]
	return true
}

// capacity reads how many tokens an edge holds, 0 when the plan is to choose.
func (l *loader) capacity(t *tree.Node) int {
	n := t.Table["capacity"]
	if n == nil {
		return 0
	}
	v, ok := n.Value.(int64)
	if !ok || v < 1 || v > 1<<16 {
		l.add(n.At("capacity is a whole number from 1 to %d, found %s", 1<<16, n.Found()))
		return 0
	}
	return int(v)
}

// output finds the port that "stage.port" names.
func (l *loader) output(g *draft, to *draftNode, ref string, at *tree.Node) (*draftNode, int, bool) {
	id, name, _ := strings.Cut(ref, ".")
	from := g.node(id)
	if from != nil && from.Stage == nil {
		return nil, 0, false // already reported
	}
	if from != nil {
		if i := slices.IndexFunc(from.Stage.Out, func(p graph.Port) bool { return p.Name == name }); i >= 0 {
			return from, i, true
		}
	}
	d := at.At("output %q, an input of stage %q, does not exist", ref, to.ID)
	var all []string
	for _, n := range g.nodes {
		for _, p := range n.ports() {
			all = append(all, n.ID+"."+p.Name)
		}
	}
	d.Label = graph.Suggest(ref, all)
	switch {
	case from == nil:
		d.Notes = []string{fmt.Sprintf("stages: %s", strings.Join(names(g.nodes, func(n *draftNode) string { return n.ID }), ", "))}
	case len(from.Stage.Out) == 0:
		d.Notes = []string{fmt.Sprintf("%q is a sink and offers nothing", id)}
	default:
		d.Notes = []string{fmt.Sprintf("%q offers: %s", id, portList(from.Stage.Out))}
	}
	l.add(d)
	return nil, 0, false
}

// ports are the outputs of a node, none when its stage is unknown.
func (n *draftNode) ports() []graph.Port {
	if n.Stage == nil {
		return nil
	}
	return n.Stage.Out
}

// fit checks that the token of an edge is one that its input takes, and that it comes from the
// right frame.
func (l *loader) fit(e *draftEdge, port *graph.Port, from *draftNode, g *draft) {
	out := &from.Stage.Out[e.FromPort]
	if !out.Type.AssignableTo(port.Type) {
		d := e.at.At("input %q of stage %q takes %s, %q gives %s", port.Name, e.To.ID, graph.TypeName(port.Type), e.at.Value, graph.TypeName(out.Type))
		d.Notes = offers(g, g.node(e.To.ID), port)
		l.add(d)
		return
	}
	switch {
	case port.Delay && e.Delay == 0:
		d := e.at.At("input %q of stage %q takes the token of the frame before", port.Name, e.To.ID)
		d.Notes = []string{fmt.Sprintf("write %s = { from = %q, delay = 1 }", port.Name, e.at.Value)}
		l.add(d)
	case !port.Delay && e.Delay > 0:
		d := e.at.At("input %q of stage %q takes the token of the frame itself, without a delay", port.Name, e.To.ID)
		d.Notes = []string{fmt.Sprintf("write %s = %q", port.Name, e.at.Value)}
		l.add(d)
	}
}

// offers says which outputs of the graph an input of node to could take.
func offers(g *draft, to *draftNode, port *graph.Port) []string {
	var fits []string
	unknown := false
	for _, n := range g.nodes {
		unknown = unknown || n.Stage == nil
		for _, p := range n.ports() {
			if p.Type.AssignableTo(port.Type) && (n != to || port.Delay) {
				fits = append(fits, n.ID+"."+p.Name)
			}
		}
	}
	if len(fits) == 0 && unknown {
		return nil // a stage is unknown, and so are its ports; already reported
	}
	if len(fits) == 0 {
		return []string{fmt.Sprintf("no stage of this pipeline gives %s", graph.TypeName(port.Type))}
	}
	note := fmt.Sprintf("%s comes from: %s", graph.TypeName(port.Type), strings.Join(fits, ", "))
	if len(fits) == 1 && port.Delay {
		note = fmt.Sprintf("write %s = { from = %q, delay = 1 }", port.Name, fits[0])
	}
	return []string{note}
}

// portList describes ports in one line: features (features, on device), motion (motion, delay 1).
func portList(ports []graph.Port) string {
	var out []string
	for i := range ports {
		p := &ports[i]
		s := p.Name + " (" + graph.TypeName(p.Type)
		if p.Device() {
			s += ", on device"
		}
		if p.Delay {
			s += ", delay 1"
		}
		if p.Optional {
			s += ", optional"
		}
		out = append(out, s+")")
	}
	return strings.Join(out, ", ")
}

// names collects what f says of each element, sorted.
func names[T any](list []T, f func(T) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	slices.Sort(out)
	return out
}

package graph

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Wiring turns the stage tables into nodes and edges. A stage whose name is unknown stays as a node without ports, so
// that what refers to it is not reported as well: one mistake, one message.

// draft is a graph in the making. Nodes stand in file order.
type draft struct {
	nodes []*draftNode
	edges []*draftEdge
}

type draftNode struct {
	*PlanNode
	table *node
	named []bool // inputs that the file names, rightly or not: those are not also missing
}

type draftEdge struct {
	*Edge
	at *node // the value that names the source port
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
func (l *loader) build(stages *node, d *decoder) *draft {
	g := &draft{}
	for _, id := range stages.order {
		t := stages.table[id]
		if t.table == nil {
			l.add(t.at("stages.%s is a table, found %s", id, t.found()))
			continue
		}
		if !identifier.MatchString(id) {
			x := t.atKey("%q cannot name a stage", id)
			x.Notes = []string{"a name starts with a letter and goes on with letters, digits, _ and -"}
			l.add(x)
		}
		n := &draftNode{PlanNode: &PlanNode{ID: id, Line: t.atKey("").Line}, table: t}
		if n.Stage = l.lookup(t, id, stages); n.Stage != nil {
			n.In = make([]*Edge, len(n.Stage.In))
			n.named = make([]bool, len(n.Stage.In))
			n.Options = d.options(n.Stage, id, t)
		}
		g.nodes = append(g.nodes, n)
	}
	return g
}

// lookup finds the stage that a table names.
func (l *loader) lookup(t *node, id string, stages *node) *Stage {
	n := t.table["stage"]
	if n == nil && t.src.flag {
		d := t.atKey("there is no stage %q in the pipeline", id)
		d.Label = Suggest(id, slices.DeleteFunc(slices.Clone(stages.order), func(o string) bool { return o == id }))
		l.add(d)
		return nil
	}
	all := names(l.suite, func(s *Stage) string { return s.Name })
	if n == nil {
		d := t.atKey("stage %q does not say what it is", id)
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
	if _, isText := n.v.(string); isText {
		d := n.at("there is no stage called %q", name)
		if d.Label = Suggest(name, all); d.Label == "" {
			d.Notes = []string{"stages: " + strings.Join(all, ", ")}
		}
		l.add(d)
	}
	return nil
}

// wire makes the edges of every node.
func (l *loader) wire(g *draft) {
	for _, n := range g.nodes {
		if n.Stage == nil || n.table.table["inputs"] == nil {
			continue
		}
		inputs := l.table(n.table, "inputs")
		if inputs == nil {
			n.named = slices.Repeat([]bool{true}, len(n.named))
			continue
		}
		for _, name := range inputs.order {
			l.input(g, n, name, inputs.table[name])
		}
	}
}

// input makes the edge of one input.
func (l *loader) input(g *draft, n *draftNode, name string, at *node) {
	to := slices.IndexFunc(n.Stage.In, func(p Port) bool { return p.Name == name })
	if to < 0 {
		if at.heir {
			return
		}
		d := at.atKey("%s has no input %q", title(n.ID, n.Stage), name)
		if meant, ok := nearest(name, names(n.Stage.In, func(p Port) string { return p.Name })); ok {
			d.Label = fmt.Sprintf("did you mean %q?", meant)
			n.named[slices.IndexFunc(n.Stage.In, func(p Port) bool { return p.Name == meant })] = true
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
	e := &draftEdge{Edge: &Edge{To: n.PlanNode, ToPort: to}, at: at}
	if at.table != nil {
		if !l.details(e, name) {
			return
		}
	}
	ref, ok := e.at.v.(string)
	if !ok {
		d := e.at.at(`input %q of stage %q is "stage.port" or { from = "stage.port", delay = 1 }, found %s`, name, n.ID, e.at.found())
		l.add(d)
		return
	}
	from, out, known := l.output(g, n, ref, e.at)
	if !known {
		return
	}
	e.Line = e.at.at("").Line
	e.From, e.FromPort = from.PlanNode, out
	n.In[to] = e.Edge
	l.fit(e, port, from, g)
	g.edges = append(g.edges, e)
}

// details reads the table form of an input.
func (l *loader) details(e *draftEdge, name string) bool {
	t := e.at
	l.strict(t, fmt.Sprintf("input %q", name), []string{"capacity", "delay", "from"})
	if n := t.table["delay"]; n != nil {
		v, ok := n.v.(int64)
		if !ok || v < 0 || v > 1 {
			l.add(n.at("delay is 0 or 1 frames, found %s", n.found()))
		}
		e.Delay = int(min(max(v, 0), 1))
	}
	e.Capacity = l.capacity(t)
	if t.table["from"] == nil {
		l.add(t.atKey(`input %q needs from = "stage.port"`, name))
		return false
	}
	e.at = t.table["from"]
	return true
}

// capacity reads how many tokens an edge holds, 0 when the plan is to choose.
func (l *loader) capacity(t *node) int {
	n := t.table["capacity"]
	if n == nil {
		return 0
	}
	v, ok := n.v.(int64)
	if !ok || v < 1 || v > 1<<16 {
		l.add(n.at("capacity is a whole number from 1 to %d, found %s", 1<<16, n.found()))
		return 0
	}
	return int(v)
}

// output finds the port that "stage.port" names.
func (l *loader) output(g *draft, to *draftNode, ref string, at *node) (*draftNode, int, bool) {
	id, name, _ := strings.Cut(ref, ".")
	from := g.node(id)
	if from != nil && from.Stage == nil {
		return nil, 0, false // already reported
	}
	if from != nil {
		if i := slices.IndexFunc(from.Stage.Out, func(p Port) bool { return p.Name == name }); i >= 0 {
			return from, i, true
		}
	}
	d := at.at("output %q, an input of stage %q, does not exist", ref, to.ID)
	var all []string
	for _, n := range g.nodes {
		for _, p := range n.ports() {
			all = append(all, n.ID+"."+p.Name)
		}
	}
	d.Label = Suggest(ref, all)
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
func (n *draftNode) ports() []Port {
	if n.Stage == nil {
		return nil
	}
	return n.Stage.Out
}

// fit checks that the token of an edge is one that its input takes, and that it comes from the right frame.
func (l *loader) fit(e *draftEdge, port *Port, from *draftNode, g *draft) {
	out := &from.Stage.Out[e.FromPort]
	if !out.Type.AssignableTo(port.Type) {
		d := e.at.at("input %q of stage %q takes %s, %q gives %s", port.Name, e.To.ID, TypeName(port.Type), e.at.v, TypeName(out.Type))
		d.Notes = offers(g, g.node(e.To.ID), port)
		l.add(d)
		return
	}
	switch {
	case port.Delay && e.Delay == 0:
		d := e.at.at("input %q of stage %q takes the token of the frame before", port.Name, e.To.ID)
		d.Notes = []string{fmt.Sprintf("write %s = { from = %q, delay = 1 }", port.Name, e.at.v)}
		l.add(d)
	case !port.Delay && e.Delay > 0:
		d := e.at.at("input %q of stage %q takes the token of the frame itself, without a delay", port.Name, e.To.ID)
		d.Notes = []string{fmt.Sprintf("write %s = %q", port.Name, e.at.v)}
		l.add(d)
	}
}

// offers says which outputs of the graph an input of node to could take.
func offers(g *draft, to *draftNode, port *Port) []string {
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
		return nil // who knows what the unknown stage would give
	}
	if len(fits) == 0 {
		return []string{fmt.Sprintf("no stage of this pipeline gives %s", TypeName(port.Type))}
	}
	note := fmt.Sprintf("%s comes from: %s", TypeName(port.Type), strings.Join(fits, ", "))
	if len(fits) == 1 && port.Delay {
		note = fmt.Sprintf("write %s = { from = %q, delay = 1 }", port.Name, fits[0])
	}
	return []string{note}
}

// portList describes ports in one line: features (features, on device), motion (motion, delay 1).
func portList(ports []Port) string {
	var out []string
	for i := range ports {
		p := &ports[i]
		s := p.Name + " (" + TypeName(p.Type)
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

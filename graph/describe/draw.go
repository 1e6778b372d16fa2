package describe

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/seed49bbd0e6/tachi/graph"
)

// WriteText lists the nodes of a plan in firing order, each with its edges.
func WriteText(w io.Writer, p *graph.Plan) error {
	fmt.Fprintf(w, "device %s, batch %s, micro %s\n", p.Pipeline.Device, orAuto(p.Pipeline.Batch), orAuto(p.Pipeline.Micro))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, n := range p.Nodes {
		fmt.Fprintf(t, "%s\t%s\t%s\n", n.ID, n.Stage.Name, nodeTraits(n))
		for _, e := range n.In {
			if e != nil {
				fmt.Fprintf(t, "  %s\t<- %s\t%s\n", e.Input().Name, e.Source(), label(e))
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, ring := range p.Cycles() {
		fmt.Fprintf(w, "cycle: %s\n", strings.Join(ids(ring), ", "))
	}
	return nil
}

// orAuto shows a setting, "auto" until it is resolved.
func orAuto(n int) string {
	if n == 0 {
		return "auto"
	}
	return fmt.Sprint(n)
}

func ids(nodes []*graph.PlanNode) []string {
	out := make([]string, len(nodes))
	for i, n := range nodes {
		out[i] = n.ID
	}
	return out
}

// nodeTraits says what sets a node apart: source, takes leases, gathers, in cycle.
func nodeTraits(n *graph.PlanNode) string {
	out := []string{n.Stage.Role.String()}
	if n.Stage.Lease {
		out = append(out, "lease")
	}
	if n.Stage.Gather && !n.InCycle {
		out = append(out, "gather")
	}
	if n.InCycle {
		out = append(out, "in cycle")
	}
	return strings.Join(out, ", ")
}

// label says what travels on the edge: "features on device, delay 1, capacity 2".
func label(e *graph.Edge) string {
	s := graph.TypeName(e.Output().Type)
	if e.Output().Device() {
		s += " on device"
	}
	if e.Delay > 0 {
		s += fmt.Sprintf(", delay %d", e.Delay)
	}
	if e.Capacity > 0 {
		s += fmt.Sprintf(", capacity %d", e.Capacity)
	}
	return s
}

// WriteDOT draws the plan for Graphviz: one record per stage with its ports, feedback dashed.
func WriteDOT(w io.Writer, p *graph.Plan) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "digraph %q {\n\trankdir=LR\n\tnode [shape=record fontname=\"Helvetica\"]\n\tedge [fontname=\"Helvetica\" fontsize=10]\n", p.Name())
	for _, n := range p.Nodes {
		fmt.Fprintf(b, "\t%q [label=\"{%s{%s\\n%s}%s}\"]\n", n.ID, record(n.Stage.In, "i", "", "|"), n.ID, n.Stage.Name, record(n.Stage.Out, "o", "|", ""))
	}
	for _, e := range p.Edges {
		style := ""
		if e.Delay > 0 {
			style = " style=dashed constraint=false"
		}
		fmt.Fprintf(b, "\t%q:o%d -> %q:i%d [label=%q%s]\n", e.From.ID, e.FromPort, e.To.ID, e.ToPort, label(e), style)
	}
	fmt.Fprintln(b, "}")
	return b.Flush()
}

// record writes ports as the fields of a record label. Port and stage names need no escapes.
func record(ports []graph.Port, prefix, before, after string) string {
	if len(ports) == 0 {
		return ""
	}
	fields := make([]string, len(ports))
	for i, p := range ports {
		fields[i] = fmt.Sprintf("<%s%d> %s", prefix, i, p.Name)
	}
	return before + "{" + strings.Join(fields, "|") + "}" + after
}

// WriteMermaid draws the plan as a Mermaid flowchart, for Markdown.
func WriteMermaid(w io.Writer, p *graph.Plan) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "flowchart LR")
	number := map[*graph.PlanNode]int{} // names may be words that Mermaid keeps for itself, such as "end"
	for i, n := range p.Nodes {
		number[n] = i
		open, shut := "[", "]"
		switch n.Stage.Role {
		case graph.Source:
			open, shut = "([", "])"
		case graph.Sink:
			open, shut = "[/", "/]"
		}
		text := n.ID
		if n.ID != n.Stage.Name {
			text += "<br/>" + n.Stage.Name
		}
		fmt.Fprintf(b, "    n%d%s\"%s\"%s\n", i, open, text, shut)
	}
	for _, e := range p.Edges {
		arrow := "-->"
		if e.Delay > 0 {
			arrow = "-.->"
		}
		name := e.Output().Name
		if in := e.Input().Name; in != name {
			name += " as " + in
		}
		if e.Capacity > 1 {
			name += fmt.Sprintf(" (%d)", e.Capacity)
		}
		fmt.Fprintf(b, "    n%d %s|\"%s\"| n%d\n", number[e.From], arrow, name, number[e.To])
	}
	return b.Flush()
}

// planJSON is the form that WriteJSON writes.
type planJSON struct {
	File      string         `json:"file"`
	Device    string         `json:"device"`
	Batch     int            `json:"batch"`
	Micro     int            `json:"micro"`
	Precision string         `json:"precision,omitempty"`
	Threads   int            `json:"threads,omitempty"`
	Memory    int64          `json:"memory,omitempty"`
	Variant   string         `json:"variant,omitempty"`
	Weights   string         `json:"weights,omitempty"`
	Config    map[string]any `json:"config,omitempty"`
	Nodes     []nodeJSON     `json:"nodes"`
	Edges     []edgeJSON     `json:"edges"`
	Feedback  [][]string     `json:"cycles"`
}

type nodeJSON struct {
	ID      string `json:"id"`
	Stage   string `json:"stage"`
	Role    string `json:"role"`
	Lease   bool   `json:"lease,omitempty"`
	Gather  bool   `json:"gather,omitempty"`
	InCycle bool   `json:"in_cycle,omitempty"`
	Line    int    `json:"line,omitempty"`
}

type edgeJSON struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Type     string `json:"type"`
	Device   bool   `json:"device,omitempty"`
	Delay    int    `json:"delay,omitempty"`
	Capacity int    `json:"capacity,omitempty"`
	Line     int    `json:"line,omitempty"`
}

// WriteJSON writes the plan as one JSON object.
func WriteJSON(w io.Writer, p *graph.Plan) error {
	s, m := p.Pipeline, p.Model
	out := planJSON{File: p.File, Device: s.Device, Batch: s.Batch, Micro: s.Micro, Precision: s.Precision, Threads: s.Threads, Memory: s.Memory,
		Variant: m.Variant, Weights: m.Weights, Config: m.Config, Nodes: []nodeJSON{}, Edges: []edgeJSON{}, Feedback: [][]string{}}
	for _, n := range p.Nodes {
		out.Nodes = append(out.Nodes, nodeJSON{n.ID, n.Stage.Name, n.Stage.Role.String(), n.Stage.Lease, n.Stage.Gather && !n.InCycle, n.InCycle, n.Line})
	}
	for _, e := range p.Edges {
		out.Edges = append(out.Edges, edgeJSON{e.Source(), e.To.ID + "." + e.Input().Name, graph.TypeName(e.Output().Type), e.Output().Device(), e.Delay, e.Capacity, e.Line})
	}
	for _, ring := range p.Cycles() {
		out.Feedback = append(out.Feedback, ids(ring))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

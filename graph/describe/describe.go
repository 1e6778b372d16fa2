// Package describe writes stages and plans for people and tools: tables and examples of stages, the
// JSON Schema of pipeline files, drawings of a plan.
package describe

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/seed49bbd0e6/tachi/graph"
)

// A stage's documentation is derived from its value: the types and tags that the checker uses are
// what people read.

// StageDoc describes a stage.
type StageDoc struct {
	Name    string      `json:"name"`
	Doc     string      `json:"doc"`
	Role    string      `json:"role"`
	Lease   bool        `json:"lease,omitempty"`
	Gather  bool        `json:"gather,omitempty"`
	Inputs  []PortDoc   `json:"inputs"`
	Outputs []PortDoc   `json:"outputs"`
	Options []OptionDoc `json:"options"`
}

// PortDoc describes an input or output.
type PortDoc struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Doc      string `json:"doc"`
	Device   bool   `json:"device,omitempty"`
	Optional bool   `json:"optional,omitempty"`
	Delay    bool   `json:"delay,omitempty"`
	State    bool   `json:"state,omitempty"`
}

// OptionDoc describes an option. Default is nil when leaving the option out means that it is
// absent.
type OptionDoc struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Default  *string  `json:"default,omitempty"`
	Required bool     `json:"required,omitempty"`
	Enum     []string `json:"enum,omitempty"`
	Doc      string   `json:"doc"`
}

// Describe derives the description of a stage from its value.
func Describe(s *graph.Stage) StageDoc {
	d := StageDoc{Name: s.Name, Doc: s.Doc, Role: s.Role.String(), Lease: s.Lease, Gather: s.Gather,
		Inputs: portDocs(s.In), Outputs: portDocs(s.Out), Options: []OptionDoc{}}
	for _, f := range graph.Options(s.Options) {
		o := OptionDoc{Name: f.Name, Type: graph.TypeWord(f.Type), Required: f.Required, Enum: f.Enum, Doc: f.Doc}
		if f.HasDefault {
			o.Default = &f.Default
		} else if zero := zeroText(f.Type); zero != "" && !f.Required {
			o.Default = &zero
		}
		d.Options = append(d.Options, o)
	}
	return d
}

// zeroText is what a number or a switch is when left out; "" for types that are then simply absent.
func zeroText(t reflect.Type) string {
	switch w := graph.TypeWord(t); {
	case t.Kind() == reflect.Pointer:
		return ""
	case w == "bool":
		return "false"
	case w == "integer" || w == "number":
		return "0"
	}
	return ""
}

func portDocs(ports []graph.Port) []PortDoc {
	out := []PortDoc{}
	for i := range ports {
		p := &ports[i]
		out = append(out, PortDoc{p.Name, graph.TypeName(p.Type), p.Doc, p.Device(), p.Optional, p.Delay, p.State})
	}
	return out
}

// Summary is the first sentence of the documentation.
func (d StageDoc) Summary() string {
	line, _, _ := strings.Cut(d.Doc, "\n")
	if head, _, ok := strings.Cut(line, ". "); ok {
		return head
	}
	return strings.TrimSuffix(line, ".")
}

// traits are the words that set a port apart.
func (p PortDoc) traits() string {
	var out []string
	for _, t := range []struct {
		is   bool
		name string
	}{{p.Device, "on device"}, {p.State, "state"}, {p.Delay, "delay 1"}, {p.Optional, "optional"}} {
		if t.is {
			out = append(out, t.name)
		}
	}
	return strings.Join(out, ", ")
}

// defaultText says what holds when the option is left out.
func (o OptionDoc) defaultText() string {
	switch {
	case o.Required:
		return "required"
	case o.Default != nil:
		return "= " + *o.Default
	}
	return ""
}

// docText is the option's documentation with its values.
func (o OptionDoc) docText() string {
	if len(o.Enum) == 0 {
		return o.Doc
	}
	return o.Doc + " (" + strings.Join(o.Enum, " | ") + ")"
}

// WriteText writes the description for a terminal.
func (d StageDoc) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	traits := d.Role
	if d.Lease {
		traits += ", takes a residency lease for each frame"
	}
	if d.Gather {
		traits += ", launches several frames at once outside feedback cycles"
	}
	fmt.Fprintf(b, "%s (%s)\n%s\n", d.Name, traits, d.Doc)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	section := func(title string, n int) {
		if n > 0 {
			fmt.Fprintf(t, "\n%s\n", title)
		}
	}
	section("inputs", len(d.Inputs))
	for _, p := range d.Inputs {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", p.Name, p.Type, p.traits(), p.Doc)
	}
	section("outputs", len(d.Outputs))
	for _, p := range d.Outputs {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", p.Name, p.Type, p.traits(), p.Doc)
	}
	section("options", len(d.Options))
	for _, o := range d.Options {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", o.Name, o.Type, o.defaultText(), o.docText())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(b, "\nexample\n")
	for line := range strings.Lines(d.Example()) {
		b.WriteString("  " + line)
	}
	return b.Flush()
}

// Example is a table for a pipeline file that uses the stage, with the stage names as sources to
// fill in.
func (d StageDoc) Example() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[stages.%s]\nstage = %q\n", d.Name, d.Name)
	var in []string
	for _, p := range d.Inputs {
		from := fmt.Sprintf("%q", "STAGE."+p.Name)
		if p.Delay {
			from = fmt.Sprintf("{ from = %s, delay = 1 }", from)
		}
		if !p.Optional || len(in) == 0 && d.Role == graph.Sink.String() {
			in = append(in, p.Name+" = "+from)
		}
	}
	if len(in) > 0 {
		fmt.Fprintf(&b, "inputs = { %s }\n", strings.Join(in, ", "))
	}
	for _, o := range d.Options {
		if o.Required {
			fmt.Fprintf(&b, "%s = %s\n", o.Name, sample(o))
		}
	}
	return b.String()
}

// sample is a value that an option could have.
func sample(o OptionDoc) string {
	switch {
	case len(o.Enum) > 0:
		return fmt.Sprintf("%q", o.Enum[0])
	case strings.HasSuffix(o.Type, " list"):
		return "[]"
	case o.Type == "integer" || o.Type == "number":
		return "1"
	case o.Type == "bool":
		return "true"
	case o.Type == "duration":
		return `"1s"`
	}
	return `"..."`
}

// WriteStages writes two lines per stage for a terminal: its name and ports, and the summary.
func WriteStages(w io.Writer, suite []*graph.Stage) error {
	b := bufio.NewWriter(w)
	for _, s := range suite {
		d := Describe(s)
		ports := strings.TrimSpace(portNames(d.Inputs) + " -> " + portNames(d.Outputs))
		fmt.Fprintf(b, "%-15s %s\n    %s\n", d.Name, ports, d.Summary())
	}
	return b.Flush()
}

// WriteMarkdown writes the same table in Markdown.
func WriteMarkdown(w io.Writer, suite []*graph.Stage) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, "| stage | in | out | does |\n|---|---|---|---|\n")
	for _, s := range suite {
		d := Describe(s)
		cells := []string{"`" + d.Name + "`", portNames(d.Inputs), portNames(d.Outputs), d.Summary()}
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", `\|`)
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.Flush()
}

// portNames lists ports shortly: an optional one ends in ?, one for a delayed token in '.
func portNames(ports []PortDoc) string {
	out := make([]string, len(ports))
	for i, p := range ports {
		if out[i] = p.Name; p.Optional {
			out[i] += "?"
		}
		if p.Delay {
			out[i] += "'"
		}
	}
	return strings.Join(out, ", ")
}

// WriteStagesJSON writes the descriptions of a suite as a JSON array.
func WriteStagesJSON(w io.Writer, suite []*graph.Stage) error {
	docs := make([]StageDoc, len(suite))
	for i, s := range suite {
		docs[i] = Describe(s)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(docs)
}

package load

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/tree"
)

var stageName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
var keyName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Check reports what is wrong with a list of stages: names given twice or badly formed, anything
// without documentation, a default that does not decode. A test of each suite calls it.
func Check(suite []*graph.Stage) error {
	var errs []error
	seen := map[string]bool{}
	for _, s := range suite {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("stage %q: %s", s.Name, fmt.Sprintf(format, args...)))
		}
		if !stageName.MatchString(s.Name) {
			bad("a name is lower-case words joined by -")
		}
		if seen[s.Name] {
			bad("the name is taken")
		}
		seen[s.Name] = true
		if s.Doc == "" {
			bad("no doc")
		}
		if s.Open == nil {
			bad("no Open")
		}
		if s.Role != graph.Source && len(s.In) == 0 {
			bad("no inputs")
		}
		if s.Role != graph.Sink && len(s.Out) == 0 {
			bad("no outputs")
		}
		checkPorts(s.In, "input", bad)
		checkPorts(s.Out, "output", bad)
		checkOptions(s.Options, bad)
	}
	return errors.Join(errs...)
}

// checkPorts looks at one side of a stage.
func checkPorts(ports []graph.Port, side string, bad func(string, ...any)) {
	for i, p := range ports {
		if !keyName.MatchString(p.Name) {
			bad("%s %q: a name is lower-case letters, digits and _", side, p.Name)
		}
		if p.Doc == "" {
			bad("%s %q has no doc", side, p.Name)
		}
		if slices.ContainsFunc(ports[:i], func(q graph.Port) bool { return q.Name == p.Name }) {
			bad("%s %q is declared twice", side, p.Name)
		}
	}
}

// checkOptions looks at the options struct: tags, docs, and whether each default is a value that
// the option takes.
func checkOptions(t reflect.Type, bad func(string, ...any)) {
	if t == nil {
		return
	}
	if t.Kind() != reflect.Struct {
		bad("options are a struct, not %s", t)
		return
	}
	list := graph.Options(t)
	for _, f := range reflect.VisibleFields(t) {
		if _, ok := f.Tag.Lookup("toml"); !ok && f.IsExported() && !f.Anonymous {
			bad("option field %s has no toml tag", f.Name)
		}
	}
	for i, f := range list {
		if !keyName.MatchString(f.Name) || f.Name == "stage" || f.Name == "inputs" {
			bad("option %q cannot be a key", f.Name)
		}
		if f.Doc == "" {
			bad("option %q has no doc", f.Name)
		}
		if slices.ContainsFunc(list[:i], func(g graph.Option) bool { return g.Name == f.Name }) {
			bad("option %q is declared twice", f.Name)
		}
		if f.HasDefault && f.Required {
			bad("option %q is required and has a default", f.Name)
		}
		if !f.HasDefault {
			continue
		}
		n, err := defaultValue(f, &tree.Text{}, tree.Span{})
		if err != nil {
			bad("option %q: %v", f.Name, err)
			continue
		}
		var diags graph.Diagnostics
		(&decoder{diags: &diags}).value(n, reflect.New(f.Type).Elem(), "default", f.Enum)
		for _, d := range diags {
			bad("option %q: %s", f.Name, d.Message)
		}
	}
}

package load

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/tree"
)

// Overrides is what the command line says about a pipeline. Everything in it is laid over the file:
// first the named fields, then Set, so that --set wins.
type Overrides struct {
	Set       []string       // "stages.output.path=x.mp4": a dotted key and a TOML value; anything that is no TOML value is a string
	Input     string         // -i: the path option of the source
	Out       string         // -o: replaces the folder that the file's relative outputs share
	Source    map[string]any // options of the source by name: box, point, mask, prompts. Go values of the option's type, or as TOML has them
	Device    string         // --device
	Precision string         // --precision
	Variant   string         // --variant
	Weights   string         // --weights, relative to the working directory
}

// flagNode makes a node for a value that the flag gave.
func flagNode(flag string, v any) *tree.Node {
	return wrap(&tree.Text{Name: flag, Flag: true, Dir: "."}, v)
}

// wrap makes a tree of a Go value. Maps with string keys and slices of plain values become tables
// and arrays.
func wrap(src *tree.Text, v any) *tree.Node {
	n := &tree.Node{Source: src, Value: v}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n.Value = r.Int()
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		n.Value = int64(r.Uint())
	case reflect.Float32, reflect.Float64:
		n.Value = r.Float()
	case reflect.String:
		n.Value = r.String()
	case reflect.Bool:
		n.Value = r.Bool()
	case reflect.Slice, reflect.Array:
		n.Array = true // v stays: an option of just this type takes it as it is
		for i := range r.Len() {
			n.List = append(n.List, wrap(src, r.Index(i).Interface()))
		}
	case reflect.Map:
		if m, ok := v.(map[string]any); ok {
			n.Value, n.Table = nil, map[string]*tree.Node{}
			for _, k := range slices.Sorted(maps.Keys(m)) {
				n.Put(k, wrap(src, m[k]))
			}
		}
	}
	return n
}

// lay puts the overrides over the tree.
func (o *Overrides) lay(root *tree.Node, suite []*graph.Stage, diags *graph.Diagnostics) *tree.Node {
	add := func(d graph.Diagnostic) { *diags = append(*diags, d) }
	set := func(flag, value string, path ...string) {
		if value != "" {
			root = tree.Merge(root, nest(flagNode(flag, value), path))
		}
	}
	set("--device", o.Device, "pipeline", "device")
	set("--precision", o.Precision, "pipeline", "precision")
	set("--variant", o.Variant, "model", "variant")
	set("--weights", o.Weights, "model", "weights")

	var over []*tree.Node // --set, in order; they may also name another source, so they are read before -i looks for it
	for _, arg := range o.Set {
		n, err := assignment(arg)
		if err != nil {
			add((&tree.Text{Name: "--set " + arg, Flag: true}).At(tree.Span{}, "%v", err))
			continue
		}
		over = append(over, n)
	}
	id, s := sourceStage(root, over, suite)
	give := func(flag, key string, v any) {
		n := flagNode(flag, v)
		switch {
		case s == nil:
			add(n.At("the pipeline has no source that could take it"))
		case !slices.ContainsFunc(graph.Options(s.Options), func(f graph.Option) bool { return f.Name == key }):
			d := n.At("source %q (%s) has no option %q", id, s.Name, key)
			if with := offering(suite, key); len(with) > 0 {
				d.Notes = []string{"sources that have it: " + strings.Join(with, ", ")}
			}
			add(d)
		default:
			root = tree.Merge(root, nest(n, []string{"stages", id, key}))
		}
	}
	if o.Input != "" {
		give("-i", "path", o.Input)
	}
	for _, key := range slices.Sorted(maps.Keys(o.Source)) {
		give("--"+key, key, o.Source[key])
	}
	for _, n := range over {
		root = tree.Merge(root, n)
	}
	return root
}

// nest puts a value under a path of tables.
func nest(n *tree.Node, path []string) *tree.Node {
	for _, key := range slices.Backward(path) {
		t := tree.TableNode(n.Source, n.Key)
		t.Put(key, n)
		n = t
	}
	return n
}

// assignment reads key=value.
func assignment(arg string) (*tree.Node, error) {
	key, value, ok := strings.Cut(arg, "=")
	if key = strings.TrimSpace(key); !ok || key == "" {
		return nil, fmt.Errorf("write key=value, e.g. stages.output.path=x.mp4")
	}
	if strings.ContainsAny(key, "\n\r#[]{}") {
		return nil, fmt.Errorf("%q is not a key", key)
	}
	if _, deep := tree.Locate(arg); deep != (tree.Span{}) {
		return nil, fmt.Errorf("more than %d levels of keys or values", tree.MaxDepth)
	}
	src := &tree.Text{Name: "--set " + arg, Flag: true, Dir: "."}
	var m map[string]any
	if _, err := toml.Decode(key+" = 0", &m); err != nil {
		return nil, fmt.Errorf("%q is not a key", key)
	}
	root := tree.Grow(src, m, nil, tree.Span{})
	leaf := root
	for leaf.Table != nil {
		leaf = leaf.Table[leaf.Order[0]]
	}
	leaf.Raw, leaf.Typed, leaf.Value = value, true, value
	var v map[string]any
	if _, err := toml.Decode("v = "+value, &v); err == nil && len(v) == 1 {
		t := tree.Grow(src, v["v"], nil, tree.Span{})
		if _, quoted := t.Value.(string); quoted || t.Table != nil || t.Array {
			t.Raw, t.Typed = "", false
		} else {
			t.Raw, t.Typed = value, true
		}
		*leaf = *t
	}
	return root, nil
}

// sourceStage finds the stage instance that is a source, as --set would leave it.
func sourceStage(root *tree.Node, over []*tree.Node, suite []*graph.Stage) (string, *graph.Stage) {
	stages := root.Get("stages")
	if stages == nil {
		return "", nil
	}
	for _, id := range stages.Order {
		name := stages.Get(id, "stage")
		for _, o := range over {
			if n := o.Get("stages", id, "stage"); n != nil {
				name = n
			}
		}
		if name == nil {
			continue
		}
		for _, s := range suite {
			if s.Name == name.Value && s.Role == graph.Source {
				return id, s
			}
		}
	}
	return "", nil
}

// offering lists the sources of the suite that have an option.
func offering(suite []*graph.Stage, key string) []string {
	var out []string
	for _, s := range suite {
		if s.Role == graph.Source && slices.ContainsFunc(graph.Options(s.Options), func(f graph.Option) bool { return f.Name == key }) {
			out = append(out, s.Name)
		}
	}
	return out
}

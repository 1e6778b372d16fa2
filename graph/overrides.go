package graph

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Overrides is what the command line says about a pipeline. Everything in it is laid over the file: first the
// named fields, then Set, so that --set wins.
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
func flagNode(flag string, v any) *node {
	return wrap(&origin{name: flag, flag: true, dir: "."}, v)
}

// wrap makes a tree of a Go value. Maps with string keys and slices of plain values become tables and arrays.
func wrap(src *origin, v any) *node {
	n := &node{src: src, v: v}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n.v = r.Int()
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		n.v = int64(r.Uint())
	case reflect.Float32, reflect.Float64:
		n.v = r.Float()
	case reflect.String:
		n.v = r.String()
	case reflect.Bool:
		n.v = r.Bool()
	case reflect.Slice, reflect.Array:
		n.array = true // v stays: an option of just this type takes it as it is
		for i := range r.Len() {
			n.list = append(n.list, wrap(src, r.Index(i).Interface()))
		}
	case reflect.Map:
		if m, ok := v.(map[string]any); ok {
			n.v, n.table = nil, map[string]*node{}
			for _, k := range slices.Sorted(maps.Keys(m)) {
				n.put(k, wrap(src, m[k]))
			}
		}
	}
	return n
}

// lay puts the overrides over the tree.
func (o *Overrides) lay(root *node, suite []*Stage, diags *Diagnostics) *node {
	add := func(d Diagnostic) { *diags = append(*diags, d) }
	set := func(flag, value string, path ...string) {
		if value != "" {
			root = merge(root, nest(flagNode(flag, value), path))
		}
	}
	set("--device", o.Device, "pipeline", "device")
	set("--precision", o.Precision, "pipeline", "precision")
	set("--variant", o.Variant, "model", "variant")
	set("--weights", o.Weights, "model", "weights")

	var over []*node // --set, in order; they may also name another source, so they are read before -i looks for it
	for _, arg := range o.Set {
		n, err := assignment(arg)
		if err != nil {
			add((&origin{name: "--set " + arg, flag: true}).at(span{}, "%v", err))
			continue
		}
		over = append(over, n)
	}
	id, s := sourceStage(root, over, suite)
	give := func(flag, key string, v any) {
		n := flagNode(flag, v)
		switch {
		case s == nil:
			add(n.at("the pipeline has no source that could take it"))
		case !slices.ContainsFunc(fields(s.Options), func(f field) bool { return f.Name == key }):
			d := n.at("source %q (%s) has no option %q", id, s.Name, key)
			if with := offering(suite, key); len(with) > 0 {
				d.Notes = []string{"sources that have it: " + strings.Join(with, ", ")}
			}
			add(d)
		default:
			root = merge(root, nest(n, []string{"stages", id, key}))
		}
	}
	if o.Input != "" {
		give("-i", "path", o.Input)
	}
	for _, key := range slices.Sorted(maps.Keys(o.Source)) {
		give("--"+key, key, o.Source[key])
	}
	for _, n := range over {
		root = merge(root, n)
	}
	return root
}

// nest puts a value under a path of tables.
func nest(n *node, path []string) *node {
	for _, key := range slices.Backward(path) {
		t := tableNode(n.src, n.key)
		t.put(key, n)
		n = t
	}
	return n
}

// assignment reads key=value.
func assignment(arg string) (*node, error) {
	key, value, ok := strings.Cut(arg, "=")
	if key = strings.TrimSpace(key); !ok || key == "" {
		return nil, fmt.Errorf("write key=value, e.g. stages.output.path=x.mp4")
	}
	if strings.ContainsAny(key, "\n\r#[]{}") {
		return nil, fmt.Errorf("%q is not a key", key)
	}
	if _, deep := locate(arg); deep != (span{}) {
		return nil, fmt.Errorf("more than %d levels of keys or values", maxDepth)
	}
	src := &origin{name: "--set " + arg, flag: true, dir: "."}
	var m map[string]any
	if _, err := toml.Decode(key+" = 0", &m); err != nil {
		return nil, fmt.Errorf("%q is not a key", key)
	}
	root := grow(src, m, nil, span{})
	leaf := root
	for leaf.table != nil {
		leaf = leaf.table[leaf.order[0]]
	}
	leaf.raw, leaf.typed, leaf.v = value, true, value
	var v map[string]any
	if _, err := toml.Decode("v = "+value, &v); err == nil && len(v) == 1 {
		t := grow(src, v["v"], nil, span{})
		if _, quoted := t.v.(string); quoted || t.table != nil || t.array {
			t.raw, t.typed = "", false
		} else {
			t.raw, t.typed = value, true
		}
		*leaf = *t
	}
	return root, nil
}

// sourceStage finds the stage instance that is a source, as --set would leave it.
func sourceStage(root *node, over []*node, suite []*Stage) (string, *Stage) {
	stages := root.get("stages")
	if stages == nil {
		return "", nil
	}
	for _, id := range stages.order {
		name := stages.get(id, "stage")
		for _, o := range over {
			if n := o.get("stages", id, "stage"); n != nil {
				name = n
			}
		}
		if name == nil {
			continue
		}
		for _, s := range suite {
			if s.Name == name.v && s.Role == Source {
				return id, s
			}
		}
	}
	return "", nil
}

// offering lists the sources of the suite that have an option.
func offering(suite []*Stage, key string) []string {
	var out []string
	for _, s := range suite {
		if s.Role == Source && slices.ContainsFunc(fields(s.Options), func(f field) bool { return f.Name == key }) {
			out = append(out, s.Name)
		}
	}
	return out
}

package load

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/tree"
)

// decoder fills options structs from the tree. Each value that does not fit is one diagnostic; the
// rest goes on.
type decoder struct {
	diags *graph.Diagnostics
	outs  []moved // output paths written relative to a file, which -o moves
}

func (d *decoder) add(x graph.Diagnostic) { *d.diags = append(*d.diags, x) }

// options decodes the keys of a stage's table, except stage and inputs, into a new options struct.
func (d *decoder) options(s *graph.Stage, id string, table *tree.Node) any {
	if s.Options == nil {
		return nil
	}
	out := reflect.New(s.Options)
	before := len(*d.diags)
	d.fill(out.Elem(), table, title(id, s), "stage", "inputs")
	if v, ok := out.Interface().(graph.Validator); ok && len(*d.diags) == before {
		d.complain(v.Validate(), table)
	}
	return out.Interface()
}

// title names a stage instance in messages.
func title(id string, s *graph.Stage) string {
	if id == s.Name {
		return fmt.Sprintf("stage %q", id)
	}
	return fmt.Sprintf("stage %q (%s)", id, s.Name)
}

// complain reports what Validate said, each complaint at its key.
func (d *decoder) complain(err error, table *tree.Node) {
	switch e := err.(type) {
	case nil:
	case *graph.OptionError:
		at := table
		for key := range strings.SplitSeq(e.Key, ".") {
			if k := at.Table[key]; k != nil {
				at = k
			}
		}
		d.add(at.At("%s", e.Error()))
	case interface{ Unwrap() []error }:
		for _, e := range e.Unwrap() {
			d.complain(e, table)
		}
	default:
		d.add(table.AtKey("%v", err))
	}
}

// fill decodes a table into a struct. what names it in messages; known are keys that are read
// elsewhere.
func (d *decoder) fill(out reflect.Value, table *tree.Node, what string, known ...string) {
	list := graph.Options(out.Type())
	for _, key := range table.Order {
		k := table.Table[key]
		if slices.Contains(known, key) || slices.ContainsFunc(list, func(f graph.Option) bool { return f.Name == key }) || k.Inherited {
			continue
		}
		all := append(names(list, func(f graph.Option) string { return f.Name }), known...)
		x := k.AtKey("%s has no option %q", what, key)
		x.Label = graph.Suggest(key, all)
		if x.Label == "" && len(list) > 0 {
			x.Notes = []string{"options: " + strings.Join(names(list, func(f graph.Option) string { return f.Name }), ", ")}
		}
		d.add(x)
	}
	for _, f := range list {
		n := table.Table[f.Name]
		if n != nil && n.Inherited && !d.fits(n, f) {
			n = nil
		}
		switch {
		case n != nil:
		case f.HasDefault:
			var err error
			if n, err = defaultValue(f, table.Source, table.Key); err != nil {
				d.add(table.AtKey("%s: option %q: %v", what, f.Name, err))
				continue
			}
		case f.Required:
			x := table.AtKey("%s needs the option %q", what, f.Name)
			x.Notes = []string{fmt.Sprintf("%s = %s: %s", f.Name, graph.TypeText(f.Type), f.Doc)}
			d.add(x)
			continue
		default:
			continue
		}
		d.value(n, out.FieldByIndex(f.Index), fmt.Sprintf("option %q of %s", f.Name, what), f.Enum)
	}
}

// fits reports whether an option taken over from another stage can be decoded.
func (d *decoder) fits(n *tree.Node, f graph.Option) bool {
	var none graph.Diagnostics
	(&decoder{diags: &none}).value(n, reflect.New(f.Type).Elem(), "", f.Enum)
	return len(none) == 0
}

// value decodes one value. what names the option in messages.
func (d *decoder) value(n *tree.Node, out reflect.Value, what string, enum []string) {
	t := out.Type()
	if n.Value != nil && t.Kind() != reflect.Interface && !scalar(n.Value) && reflect.TypeOf(n.Value).AssignableTo(t) {
		out.Set(reflect.ValueOf(n.Value))
		return
	}
	switch {
	case t.Kind() == reflect.Pointer:
		p := reflect.New(t.Elem())
		d.value(n, p.Elem(), what, enum)
		out.Set(p)
		return
	case t == graph.DurationType:
		s, ok := n.Value.(string)
		v, err := time.ParseDuration(s)
		if !ok || err != nil {
			d.wrong(n, t, what)
			return
		}
		out.SetInt(int64(v))
		return
	case t.Kind() == reflect.String:
		d.text(n, out, what, enum)
		return
	case t.Kind() == reflect.Slice:
		if !n.Array {
			d.wrong(n, t, what)
			return
		}
		list := reflect.MakeSlice(t, len(n.List), len(n.List))
		for i, e := range n.List {
			d.value(e, list.Index(i), fmt.Sprintf("element %d of %s", i+1, what), enum)
		}
		out.Set(list)
		return
	case t.Kind() == reflect.Struct:
		if n.Table == nil {
			d.wrong(n, t, what)
			return
		}
		d.fill(out, n, what)
		return
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		if v := n.Plain(); v != nil {
			out.Set(reflect.ValueOf(v))
		}
		return
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		if n.Table == nil {
			d.wrong(n, t, what)
			return
		}
		m := reflect.MakeMap(t)
		for _, k := range n.Order {
			e := reflect.New(t.Elem()).Elem()
			d.value(n.Table[k], e, what, enum)
			m.SetMapIndex(reflect.ValueOf(k).Convert(t.Key()), e)
		}
		out.Set(m)
		return
	}
	if !number(n.Value, out) {
		d.wrong(n, t, what)
		return
	}
	d.oneOf(n, fmt.Sprint(out.Interface()), what, enum)
}

// text decodes strings and paths.
func (d *decoder) text(n *tree.Node, out reflect.Value, what string, enum []string) {
	s, ok := n.Value.(string)
	if n.Typed {
		s, ok = n.Raw, true
	}
	if !ok {
		d.wrong(n, out.Type(), what)
		return
	}
	d.oneOf(n, s, what, enum)
	switch out.Type() {
	case graph.PathType:
		s = tree.Relative(n.Source.Dir, s)
	case graph.OutPathType:
		if full := tree.Relative(n.Source.Dir, s); !n.Source.Flag && s != "" && s != "-" && !tree.Address(s) && !filepath.IsAbs(s) {
			s = full
			d.outs = append(d.outs, moved{n.Source, out})
		}
	}
	out.SetString(s)
}

// oneOf checks a value against the listed ones.
func (d *decoder) oneOf(n *tree.Node, s, what string, enum []string) {
	if len(enum) == 0 || slices.Contains(enum, s) {
		return
	}
	x := n.At("%s is one of %s, found %s", what, strings.Join(enum, ", "), n.Found())
	x.Label = graph.Suggest(s, enum)
	d.add(x)
}

// wrong reports a value of the wrong type.
func (d *decoder) wrong(n *tree.Node, t reflect.Type, what string) {
	d.add(n.At("%s wants %s, found %s", what, graph.TypeText(t), n.Found()))
}

// scalar reports whether v is a value that TOML itself makes.
func scalar(v any) bool {
	switch v.(type) {
	case string, bool, int64, float64:
		return true
	}
	return false
}

// number sets a bool, an integer or a float, and reports whether v fits.
func number(v any, out reflect.Value) bool {
	switch out.Kind() {
	case reflect.Bool:
		b, ok := v.(bool)
		if ok {
			out.SetBool(b)
		}
		return ok
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, ok := v.(int64)
		if ok = ok && !out.OverflowInt(i); ok {
			out.SetInt(i)
		}
		return ok
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		i, ok := v.(int64)
		if ok = ok && i >= 0 && !out.OverflowUint(uint64(i)); ok {
			out.SetUint(uint64(i))
		}
		return ok
	case reflect.Float32, reflect.Float64:
		f, ok := v.(float64)
		if i, isInt := v.(int64); isInt {
			f, ok = float64(i), true
		}
		if ok = ok && !math.IsNaN(f); ok {
			out.SetFloat(f)
		}
		return ok
	}
	return false
}

// moved is an output path that -o moves, and the file that gives it.
type moved struct {
	src  *tree.Text
	path reflect.Value
}

// reroot moves the relative outputs of the files into dir: the folder that those of one file share
// is replaced by it.
func (d *decoder) reroot(dir string) {
	if dir == "" {
		return
	}
	full := make([]string, len(d.outs))
	shared := map[*tree.Text]string{}
	for i, o := range d.outs {
		full[i] = o.path.String()
		if abs, err := filepath.Abs(full[i]); err == nil {
			full[i] = abs
		}
		if _, ok := shared[o.src]; !ok {
			shared[o.src] = filepath.Dir(full[i])
		}
		for !strings.HasPrefix(full[i], strings.TrimSuffix(shared[o.src], "/")+"/") {
			shared[o.src] = filepath.Dir(shared[o.src])
		}
	}
	for i, o := range d.outs {
		o.path.SetString(filepath.Join(dir, strings.TrimPrefix(full[i], shared[o.src])))
	}
}

// defaultValue parses the default of an option as if it were written in the file.
func defaultValue(f graph.Option, src *tree.Text, at tree.Span) (*tree.Node, error) {
	n := &tree.Node{Source: src, Key: at, Val: at, Value: f.Default}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.String || t == graph.DurationType {
		return n, nil
	}
	var m map[string]any
	if _, err := toml.Decode("v = "+f.Default, &m); err != nil {
		return nil, fmt.Errorf("default %q: %w", f.Default, err)
	}
	return tree.Grow(src, m["v"], nil, at), nil
}

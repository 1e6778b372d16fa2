// Package tree reads a pipeline file into a tree of values that know where they stand: the file,
// laid over the files it extends, and under the flags of the command line. It knows TOML, and
// nothing of stages.
package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/infile"
)

// Node is a value of the tree: a table, an array or a scalar.
type Node struct {
	Source    *Text
	Key, Val  Span
	Table     map[string]*Node // a table when not nil
	Order     []string         // its keys, in the order of the text
	List      []*Node          // elements of an array
	Array     bool
	Value     any    // string, bool, int64, float64; or any Go value a program gave
	Raw       string // a flag's value as it was typed, for options that are strings
	Typed     bool   // Raw is set
	Inherited bool   // taken over from an extended file although the stage is another one: only what fits is used
}

// TableNode returns an empty table.
func TableNode(src *Text, at Span) *Node {
	return &Node{Source: src, Key: at, Val: at, Table: map[string]*Node{}}
}

// Put sets a key of a table.
func (n *Node) Put(key string, v *Node) {
	if _, ok := n.Table[key]; !ok {
		n.Order = append(n.Order, key)
	}
	n.Table[key] = v
}

// Get walks down a path of keys, nil when it ends early.
func (n *Node) Get(path ...string) *Node {
	for _, key := range path {
		if n == nil {
			return nil
		}
		n = n.Table[key]
	}
	return n
}

// Found says in words what the value is.
func (n *Node) Found() string {
	if n.Array {
		return "an array"
	}
	switch v := n.Value.(type) {
	case nil:
		return "a table"
	case string:
		return fmt.Sprintf("the string %q", v)
	case bool, int64, float64:
		return fmt.Sprint(v)
	case time.Time:
		return "a date"
	default:
		return fmt.Sprintf("%T", v)
	}
}

// Plain returns the value without places: map[string]any, []any or the scalar.
func (n *Node) Plain() any {
	switch {
	case n.Table != nil:
		m := make(map[string]any, len(n.Table))
		for k, v := range n.Table {
			m[k] = v.Plain()
		}
		return m
	case n.Array:
		l := make([]any, len(n.List))
		for i, v := range n.List {
			l[i] = v.Plain()
		}
		return l
	}
	return n.Value
}

// Grow makes the tree of a decoded value, with the places that locate found.
func Grow(src *Text, v any, at *spot, under Span) *Node {
	n := &Node{Source: src, Key: under, Val: under}
	if at != nil {
		n.Key, n.Val = at.key, at.val
	} else {
		at = &spot{}
	}
	switch v := v.(type) {
	case map[string]any:
		n.Table = make(map[string]*Node, len(v))
		n.Order = slices.DeleteFunc(slices.Clone(at.order), func(k string) bool { _, ok := v[k]; return !ok })
		for _, k := range slices.Sorted(maps.Keys(v)) {
			n.Table[k] = Grow(src, v[k], at.kids[k], n.Key)
			if at.kids[k] == nil {
				n.Order = append(n.Order, k)
			}
		}
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return Grow(src, list, at, under)
	case []any:
		n.Array = true
		for i, e := range v {
			var item *spot
			if i < len(at.items) {
				item = at.items[i]
			}
			n.List = append(n.List, Grow(src, e, item, n.Val))
		}
	default:
		n.Value = v
	}
	return n
}

// Merge lays over on top of base, key by key. Where over names another stage, what only base says
// is marked: such a key is used if the new stage knows it, and is left behind otherwise, so that a
// stage can be swapped in one line.
func Merge(base, over *Node) *Node {
	if base == nil || base.Table == nil || over.Table == nil {
		return over
	}
	if !over.Source.Flag {
		base.Source, base.Key, base.Val = over.Source, over.Key, over.Val
	}
	if a, b := base.Table["stage"], over.Table["stage"]; a != nil && b != nil && a.Value != b.Value {
		base.inherit()
	}
	for _, k := range over.Order {
		base.Put(k, Merge(base.Table[k], over.Table[k]))
	}
	return base
}

// inherit marks everything below n.
func (n *Node) inherit() {
	n.Inherited = true
	for _, k := range n.Table {
		k.inherit()
	}
}

// maxFile is more than any pipeline needs, and keeps a wrong path (a video) from being read whole.
const maxFile = 64 << 10

// Reader reads a file and the files it extends.
type Reader struct {
	Diags *graph.Diagnostics
	FS    fs.FS    // where files are read from; nil: the system's
	stack []string // files being read, to refuse cycles
	ranks int
}

func (r *Reader) add(d graph.Diagnostic) { *r.Diags = append(*r.Diags, d) }

// File reads path. from is where it was named: a diagnostic about reading goes there.
func (r *Reader) File(path string, from func(format string, args ...any) graph.Diagnostic) *Node {
	var data []byte
	var err error
	if r.FS != nil {
		data, err = fs.ReadFile(r.FS, path)
	} else {
		data, err = infile.ReadOnce(path, maxFile)
	}
	if err == nil {
		data, err = infile.Text(data)
	}
	if err != nil {
		reason := strings.TrimPrefix(err.Error(), path+": ")
		if strings.HasSuffix(reason, "video, not text") {
			reason += ": a pipeline goes before it, tachi run PIPELINE -i " + path
		}
		r.add(from("%s", reason))
		return nil
	}
	return r.Text(path, string(data))
}

// Text parses data and merges it over what it extends. nil when a file cannot be read or parsed.
func (r *Reader) Text(name, data string) *Node {
	r.ranks++
	src := &Text{Name: name, Dir: filepath.Dir(name), text: strings.TrimPrefix(data, "\uFEFF"), rank: r.ranks}
	if len(data) > maxFile {
		r.add(src.At(Span{}, "a pipeline file is at most 64 KiB"))
		return nil
	}
	tree, ok := r.parse(src)
	if !ok {
		return nil
	}
	r.environment(tree)
	ext := tree.Table["extends"]
	if ext == nil {
		return tree
	}
	delete(tree.Table, "extends")
	tree.Order = slices.DeleteFunc(tree.Order, func(k string) bool { return k == "extends" })
	target, ok := ext.Value.(string)
	if !ok || target == "" {
		r.add(ext.At("extends wants the path of a pipeline file, found %s", ext.Found()))
		return nil
	}
	path := Relative(src.Dir, target)
	if i := slices.Index(append(r.stack, filepath.Clean(name)), path); i >= 0 {
		chain := append(slices.Clone(append(r.stack, filepath.Clean(name))[i:]), path)
		r.add(ext.At("the files extend each other in a cycle: %s", strings.Join(chain, " -> ")))
		return nil
	}
	r.stack = append(r.stack, filepath.Clean(name))
	base := r.File(path, func(format string, args ...any) graph.Diagnostic {
		return ext.At("%s: %s", path, fmt.Sprintf(format, args...))
	})
	if base == nil {
		return nil
	}
	return Merge(base, tree)
}

// parse decodes the text of src.
func (r *Reader) parse(src *Text) (*Node, bool) {
	places, deep := Locate(src.text)
	if deep != (Span{}) {
		r.add(src.At(deep, "more than %d levels of keys or values", MaxDepth))
		return nil, false
	}
	var m map[string]any
	if _, err := toml.Decode(src.text, &m); err != nil {
		r.add(syntax(src, err))
		return nil, false
	}
	if m == nil {
		m = map[string]any{}
	}
	return Grow(src, m, places, Span{}), true
}

// syntax turns a parse error into a diagnostic.
func syntax(src *Text, err error) graph.Diagnostic {
	pe, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return src.At(Span{}, "%s", strings.TrimPrefix(err.Error(), "toml: "))
	}
	at := Span{pe.Position.Start, pe.Position.Start + pe.Position.Len}
	return src.At(at, "%s", graph.Printable(pe.Message))
}

// At makes a diagnostic that points at the value.
func (n *Node) At(format string, args ...any) graph.Diagnostic {
	return n.Source.At(n.Val, format, args...)
}

// AtKey makes a diagnostic that points at the key.
func (n *Node) AtKey(format string, args ...any) graph.Diagnostic {
	return n.Source.At(n.Key, format, args...)
}

var variable = regexp.MustCompile(`\$?\$\{([^}]*)\}`)

// environment replaces ${NAME} in every string value; $${NAME} stands for the text itself.
func (r *Reader) environment(n *Node) {
	for _, k := range n.Order {
		r.environment(n.Table[k])
	}
	for _, e := range n.List {
		r.environment(e)
	}
	s, ok := n.Value.(string)
	if !ok || !strings.Contains(s, "${") {
		return
	}
	n.Value = variable.ReplaceAllStringFunc(s, func(m string) string {
		if strings.HasPrefix(m, "$$") {
			return m[1:]
		}
		name := m[2 : len(m)-1]
		value, ok := os.LookupEnv(name)
		if !ok {
			d := n.At("environment variable %q is not set", name)
			d.Notes = []string{"write $${" + name + "} for the text itself"}
			r.add(d)
		}
		return value
	})
}

// Relative resolves a path that was written in a file of folder dir. "-" and addresses stay as they
// are.
func Relative(dir, path string) string {
	if path == "" || path == "-" || Address(path) || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Address reports whether a path is a URL: scheme://...
func Address(path string) bool {
	scheme, _, ok := strings.Cut(path, "://")
	return ok && scheme != "" && strings.IndexFunc(scheme, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '+' || r == '-' || r == '.')
	}) < 0
}

package graph

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// A pipeline is read into one tree of nodes that know where they stand: the file, laid over the files it extends,
// and under the flags of the command line. Everything after this file works on that tree alone.

// node is a value of the tree: a table, an array or a scalar.
type node struct {
	src      *origin
	key, val span
	table    map[string]*node // a table when not nil
	order    []string         // its keys, in the order of the text
	list     []*node          // elements of an array
	array    bool
	v        any    // string, bool, int64, float64; or any Go value a program gave
	raw      string // a flag's value as it was typed, for options that are strings
	typed    bool   // raw is set
	heir     bool   // taken over from an extended file although the stage is another one: only what fits is used
}

// tableNode returns an empty table.
func tableNode(src *origin, at span) *node {
	return &node{src: src, key: at, val: at, table: map[string]*node{}}
}

// put sets a key of a table.
func (n *node) put(key string, v *node) {
	if _, ok := n.table[key]; !ok {
		n.order = append(n.order, key)
	}
	n.table[key] = v
}

// get walks down a path of keys, nil when it ends early.
func (n *node) get(path ...string) *node {
	for _, key := range path {
		if n == nil {
			return nil
		}
		n = n.table[key]
	}
	return n
}

// found says in words what the value is.
func (n *node) found() string {
	if n.array {
		return "an array"
	}
	switch v := n.v.(type) {
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

// plain returns the value without places: map[string]any, []any or the scalar.
func (n *node) plain() any {
	switch {
	case n.table != nil:
		m := make(map[string]any, len(n.table))
		for k, v := range n.table {
			m[k] = v.plain()
		}
		return m
	case n.array:
		l := make([]any, len(n.list))
		for i, v := range n.list {
			l[i] = v.plain()
		}
		return l
	}
	return n.v
}

// grow makes the tree of a decoded value, with the places that locate found.
func grow(src *origin, v any, at *spot, under span) *node {
	n := &node{src: src, key: under, val: under}
	if at != nil {
		n.key, n.val = at.key, at.val
	} else {
		at = &spot{}
	}
	switch v := v.(type) {
	case map[string]any:
		n.table = make(map[string]*node, len(v))
		n.order = slices.DeleteFunc(slices.Clone(at.order), func(k string) bool { _, ok := v[k]; return !ok })
		for _, k := range slices.Sorted(maps.Keys(v)) {
			n.table[k] = grow(src, v[k], at.kids[k], n.key)
			if at.kids[k] == nil {
				n.order = append(n.order, k)
			}
		}
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return grow(src, list, at, under)
	case []any:
		n.array = true
		for i, e := range v {
			var item *spot
			if i < len(at.items) {
				item = at.items[i]
			}
			n.list = append(n.list, grow(src, e, item, n.val))
		}
	default:
		n.v = v
	}
	return n
}

// merge lays over on top of base, key by key. Where over names another stage, what only base says is marked: such
// a key is used if the new stage knows it, and is left behind otherwise, so that a stage can be swapped in one line.
func merge(base, over *node) *node {
	if base == nil || base.table == nil || over.table == nil {
		return over
	}
	if !over.src.flag {
		base.src, base.key, base.val = over.src, over.key, over.val
	}
	if a, b := base.table["stage"], over.table["stage"]; a != nil && b != nil && a.v != b.v {
		base.inherit()
	}
	for _, k := range over.order {
		base.put(k, merge(base.table[k], over.table[k]))
	}
	return base
}

// inherit marks everything below n.
func (n *node) inherit() {
	n.heir = true
	for _, k := range n.table {
		k.inherit()
	}
}

// maxFile is more than any pipeline needs, and keeps a wrong path (a video) from being read whole.
const maxFile = 64 << 10

// reader reads a file and the files it extends.
type reader struct {
	diags *Diagnostics
	stack []string // files being read, to refuse circles
	ranks int
}

func (r *reader) add(d Diagnostic) { *r.diags = append(*r.diags, d) }

// file reads path. from is where it was named: a diagnostic about reading goes there.
func (r *reader) file(path string, from func(format string, args ...any) Diagnostic) *node {
	data, err := ReadOnce(path, maxFile)
	if err == nil {
		data, err = Text(data)
	}
	if err != nil {
		reason := strings.TrimPrefix(err.Error(), path+": ")
		if strings.HasSuffix(reason, "video, not text") {
			reason += ": a pipeline goes before it, tachi run PIPELINE -i " + path
		}
		r.add(from("%s", reason))
		return nil
	}
	return r.text(path, string(data))
}

// text parses data and merges it over what it extends. nil when a file cannot be read or parsed.
func (r *reader) text(name, data string) *node {
	r.ranks++
	src := &origin{name: name, dir: filepath.Dir(name), text: strings.TrimPrefix(data, "\uFEFF"), rank: r.ranks}
	if len(data) > maxFile {
		r.add(src.at(span{}, "a pipeline file is at most 64 KiB"))
		return nil
	}
	tree, ok := r.parse(src)
	if !ok {
		return nil
	}
	r.environment(tree)
	ext := tree.table["extends"]
	if ext == nil {
		return tree
	}
	delete(tree.table, "extends")
	tree.order = slices.DeleteFunc(tree.order, func(k string) bool { return k == "extends" })
	target, ok := ext.v.(string)
	if !ok || target == "" {
		r.add(ext.at("extends wants the path of a pipeline file, found %s", ext.found()))
		return nil
	}
	path := relative(src.dir, target)
	if i := slices.Index(append(r.stack, filepath.Clean(name)), path); i >= 0 {
		chain := append(slices.Clone(append(r.stack, filepath.Clean(name))[i:]), path)
		r.add(ext.at("the files extend each other in a circle: %s", strings.Join(chain, " -> ")))
		return nil
	}
	r.stack = append(r.stack, filepath.Clean(name))
	base := r.file(path, func(format string, args ...any) Diagnostic {
		return ext.at("%s: %s", path, fmt.Sprintf(format, args...))
	})
	if base == nil {
		return nil
	}
	return merge(base, tree)
}

// parse decodes the text of src.
func (r *reader) parse(src *origin) (*node, bool) {
	places, deep := locate(src.text)
	if deep != (span{}) {
		r.add(src.at(deep, "more than %d levels of keys or values", maxDepth))
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
	return grow(src, m, places, span{}), true
}

// syntax turns a parse error into a diagnostic.
func syntax(src *origin, err error) Diagnostic {
	pe, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return src.at(span{}, "%s", strings.TrimPrefix(err.Error(), "toml: "))
	}
	at := span{pe.Position.Start, pe.Position.Start + pe.Position.Len}
	return src.at(at, "%s", printable(pe.Message))
}

// at makes a diagnostic that points at the value.
func (n *node) at(format string, args ...any) Diagnostic { return n.src.at(n.val, format, args...) }

// atKey makes a diagnostic that points at the key.
func (n *node) atKey(format string, args ...any) Diagnostic { return n.src.at(n.key, format, args...) }

var variable = regexp.MustCompile(`\$?\$\{([^}]*)\}`)

// environment replaces ${NAME} in every string value; $${NAME} stands for the text itself.
func (r *reader) environment(n *node) {
	for _, k := range n.order {
		r.environment(n.table[k])
	}
	for _, e := range n.list {
		r.environment(e)
	}
	s, ok := n.v.(string)
	if !ok || !strings.Contains(s, "${") {
		return
	}
	n.v = variable.ReplaceAllStringFunc(s, func(m string) string {
		if strings.HasPrefix(m, "$$") {
			return m[1:]
		}
		name := m[2 : len(m)-1]
		value, ok := os.LookupEnv(name)
		if !ok {
			d := n.at("environment variable %q is not set", name)
			d.Notes = []string{"write $${" + name + "} for the text itself"}
			r.add(d)
		}
		return value
	})
}

// relative resolves a path that was written in a file of folder dir. "-" and addresses stay as they are.
func relative(dir, path string) string {
	if path == "" || path == "-" || address(path) || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// address says whether a path is a URL: scheme://...
func address(path string) bool {
	scheme, _, ok := strings.Cut(path, "://")
	return ok && scheme != "" && strings.IndexFunc(scheme, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '+' || r == '-' || r == '.')
	}) < 0
}

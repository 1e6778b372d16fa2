package load

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/tree"
)

// known lists the keys of the two fixed tables, for messages and the schema.
var (
	topKeys      = []string{"extends", "model", "pipeline", "stages"}
	pipelineKeys = []string{"batch", "device", "memory", "micro", "precision", "threads"}
	modelKeys    = []string{"config", "variant", "weights"}
)

// strict reports the keys of a table that are not known.
func (l *loader) strict(t *tree.Node, what string, known []string) {
	for _, k := range t.Order {
		if !slices.Contains(known, k) {
			d := t.Table[k].AtKey("%s has no key %q", what, k)
			if d.Label = graph.Suggest(k, known); d.Label == "" {
				d.Notes = []string{"keys: " + strings.Join(known, ", ")}
			}
			l.add(d)
		}
	}
}

// table returns a sub-table, nil when it is absent or no table.
func (l *loader) table(t *tree.Node, key string) *tree.Node {
	n := t.Table[key]
	if n != nil && n.Table == nil {
		l.add(n.At("%s is a table, found %s", key, n.Found()))
		return nil
	}
	return n
}

// settings reads [pipeline].
func (l *loader) settings(root *tree.Node) graph.Settings {
	s := graph.Settings{Device: "auto"}
	t := l.table(root, "pipeline")
	if t == nil {
		return s
	}
	l.strict(t, "[pipeline]", pipelineKeys)
	if n := t.Table["device"]; n != nil {
		v, ok := n.Value.(string)
		if !ok || !graph.DeviceName.MatchString(v) {
			d := n.At("device is auto, cpu, cuda or cuda:N, found %s", n.Found())
			d.Label = graph.Suggest(v, []string{"auto", "cpu", "cuda"})
			l.add(d)
		}
		s.Device = v
	}
	if n := t.Table["precision"]; n != nil && n.Value != "auto" {
		v, _ := n.Value.(string)
		if !slices.Contains(graph.Precisions, v) {
			d := n.At("precision is auto, f32, bf16 or f16, found %s", n.Found())
			d.Label = graph.Suggest(v, graph.Precisions)
			l.add(d)
		}
		s.Precision = v
	}
	s.Batch = l.count(t, "batch", 1<<12)
	s.Micro = l.count(t, "micro", 1<<12)
	s.Threads = l.count(t, "threads", 1<<12)
	if n := t.Table["memory"]; n != nil && n.Value != "auto" {
		var err error
		if s.Memory, err = bytesOf(n.Value); err != nil {
			l.add(n.At(`memory is "auto", a number of bytes or a size such as "2GiB", found %s`, n.Found()))
		}
	}
	return s
}

// count reads a whole number of at least 1, or "auto", which is 0.
func (l *loader) count(t *tree.Node, key string, most int64) int {
	n := t.Table[key]
	if n == nil || n.Value == "auto" {
		return 0
	}
	v, ok := n.Value.(int64)
	if !ok || v < 1 || v > most {
		l.add(n.At(`%s is "auto" or a whole number from 1 to %d, found %s`, key, most, n.Found()))
		return 0
	}
	return int(v)
}

// units are the sizes that a byte count may be written in.
var units = map[string]float64{"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}

// bytesOf reads a byte count: an integer, or a number with a unit.
func bytesOf(v any) (int64, error) {
	switch v := v.(type) {
	case int64:
		if v > 0 {
			return v, nil
		}
	case string:
		at := strings.IndexFunc(v, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if at < 0 {
			at = len(v)
		}
		f, err := strconv.ParseFloat(v[:at], 64)
		unit, ok := units[strings.ToLower(strings.TrimSpace(v[at:]))]
		if n := f * unit; err == nil && ok && n >= 1 && n < math.MaxInt64 {
			return int64(n), nil
		}
	}
	return 0, fmt.Errorf("not a size: %v", v)
}

// model reads [model].
func (l *loader) model(root *tree.Node) graph.ModelSettings {
	t := l.table(root, "model")
	if t == nil {
		return graph.ModelSettings{}
	}
	m := graph.ModelSettings{Set: true}
	l.strict(t, "[model]", modelKeys)
	m.Variant, _ = l.str(t, "variant")
	if w, n := l.str(t, "weights"); w != "" {
		if m.Weights = w; w != graph.Embedded {
			m.Weights = tree.Relative(n.Source.Dir, w)
		}
	}
	if c := l.table(t, "config"); c != nil {
		m.Config = map[string]any{}
		flatten(c, "", m.Config)
	}
	return m
}

// str reads a string, "" when the key is absent.
func (l *loader) str(t *tree.Node, key string) (string, *tree.Node) {
	n := t.Table[key]
	if n == nil {
		return "", nil
	}
	if n.Typed {
		return n.Raw, n
	}
	s, ok := n.Value.(string)
	if !ok {
		l.add(n.At("%s is a string, found %s", key, n.Found()))
	}
	return s, n
}

// flatten writes nested tables as dotted keys.
func flatten(t *tree.Node, prefix string, out map[string]any) {
	for _, k := range t.Order {
		if n := t.Table[k]; n.Table != nil {
			flatten(n, prefix+k+".", out)
		} else {
			out[prefix+k] = n.Plain()
		}
	}
}

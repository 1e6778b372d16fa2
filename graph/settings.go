package graph

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// known lists the keys of the two fixed tables, for messages and the schema.
var (
	topKeys      = []string{"extends", "model", "pipeline", "stages"}
	pipelineKeys = []string{"batch", "device", "memory", "micro", "precision", "threads"}
	modelKeys    = []string{"config", "variant", "weights"}
)

// strict reports the keys of a table that are not known.
func (l *loader) strict(t *node, what string, known []string) {
	for _, k := range t.order {
		if !slices.Contains(known, k) {
			d := t.table[k].atKey("%s has no key %q", what, k)
			if d.Label = Suggest(k, known); d.Label == "" {
				d.Notes = []string{"keys: " + strings.Join(known, ", ")}
			}
			l.add(d)
		}
	}
}

// table returns a sub-table, nil when it is absent or no table.
func (l *loader) table(t *node, key string) *node {
	n := t.table[key]
	if n != nil && n.table == nil {
		l.add(n.at("%s is a table, found %s", key, n.found()))
		return nil
	}
	return n
}

// settings reads [pipeline].
func (l *loader) settings(root *node) Settings {
	s := Settings{Device: "auto"}
	t := l.table(root, "pipeline")
	if t == nil {
		return s
	}
	l.strict(t, "[pipeline]", pipelineKeys)
	if n := t.table["device"]; n != nil {
		v, ok := n.v.(string)
		if !ok || !deviceName.MatchString(v) {
			d := n.at("device is auto, cpu, cuda or cuda:N, found %s", n.found())
			d.Label = Suggest(v, []string{"auto", "cpu", "cuda"})
			l.add(d)
		}
		s.Device = v
	}
	if n := t.table["precision"]; n != nil && n.v != "auto" {
		v, _ := n.v.(string)
		if !slices.Contains(precisions, v) {
			d := n.at("precision is auto, f32, bf16 or f16, found %s", n.found())
			d.Label = Suggest(v, precisions)
			l.add(d)
		}
		s.Precision = v
	}
	s.Batch = l.count(t, "batch", 1<<12)
	s.Micro = l.count(t, "micro", 1<<12)
	s.Threads = l.count(t, "threads", 1<<12)
	if n := t.table["memory"]; n != nil && n.v != "auto" {
		var err error
		if s.Memory, err = bytesOf(n.v); err != nil {
			l.add(n.at(`memory is "auto", a number of bytes or a size such as "2GiB", found %s`, n.found()))
		}
	}
	return s
}

// count reads a whole number of at least 1, or "auto", which is 0.
func (l *loader) count(t *node, key string, most int64) int {
	n := t.table[key]
	if n == nil || n.v == "auto" {
		return 0
	}
	v, ok := n.v.(int64)
	if !ok || v < 1 || v > most {
		l.add(n.at(`%s is "auto" or a whole number from 1 to %d, found %s`, key, most, n.found()))
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
func (l *loader) model(root *node) ModelSettings {
	t := l.table(root, "model")
	if t == nil {
		return ModelSettings{}
	}
	m := ModelSettings{Set: true}
	l.strict(t, "[model]", modelKeys)
	m.Variant, _ = l.str(t, "variant")
	if w, n := l.str(t, "weights"); w != "" {
		if m.Weights = w; w != Embedded {
			m.Weights = relative(n.src.dir, w)
		}
	}
	if c := l.table(t, "config"); c != nil {
		m.Config = map[string]any{}
		flatten(c, "", m.Config)
	}
	return m
}

// str reads a string, "" when the key is absent.
func (l *loader) str(t *node, key string) (string, *node) {
	n := t.table[key]
	if n == nil {
		return "", nil
	}
	if n.typed {
		return n.raw, n
	}
	s, ok := n.v.(string)
	if !ok {
		l.add(n.at("%s is a string, found %s", key, n.found()))
	}
	return s, n
}

// flatten writes nested tables as dotted keys.
func flatten(t *node, prefix string, out map[string]any) {
	for _, k := range t.order {
		if n := t.table[k]; n.table != nil {
			flatten(n, prefix+k+".", out)
		} else {
			out[prefix+k] = n.plain()
		}
	}
}

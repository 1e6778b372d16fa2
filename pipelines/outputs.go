package pipelines

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/output"
)

// outputPath is a path that a stage writes to.
type outputPath struct {
	key   string // in the pipeline file: stages.tracks.path
	path  string
	stage string // write-tracks
}

// outputs lists the output paths of a plan's options.
func outputs(plan *graph.Plan) (list []outputPath) {
	paths(plan, func(key, path string, out bool) {
		if out {
			id := strings.Split(key, ".")[1]
			i := slices.IndexFunc(plan.Nodes, func(n *graph.PlanNode) bool { return n.ID == id })
			list = append(list, outputPath{key, path, plan.Nodes[i].Stage.Name})
		}
	})
	return list
}

// paths visits every path that is set in a plan's options; "-" is standard input.
func paths(plan *graph.Plan, visit func(key, path string, out bool)) {
	for _, n := range plan.Nodes {
		v := reflect.Indirect(reflect.ValueOf(n.Options))
		if v.Kind() != reflect.Struct {
			continue
		}
		for _, f := range reflect.VisibleFields(v.Type()) {
			key := "stages." + n.ID + "." + f.Tag.Get("toml")
			switch p := v.FieldByIndex(f.Index).Interface().(type) {
			case graph.OutPath:
				if p != "" {
					visit(key, string(p), true)
				}
			case graph.Path:
				if p != "" {
					visit(key, string(p), false)
				}
			}
		}
	}
}

// checkOutputs refuses plans whose files would replace each other, or what the plan reads.
func checkOutputs(plan *graph.Plan) error {
	type taken struct {
		key, path string
		input     bool     // a folder of pictures may hold outputs as well
		names     []string // of the files that may be written for the path
	}
	var bad graph.Diagnostics
	var seen []taken
	paths(plan, func(key, path string, out bool) {
		if !out && path != "-" {
			seen = append(seen, taken{key, absolute(path), true, []string{absolute(path)}})
		}
	})
	if w := plan.Model.Weights; w != "" && w != graph.Embedded {
		seen = append(seen, taken{"model.weights", absolute(w), true, []string{absolute(w)}})
	}
	for _, o := range outputs(plan) {
		full := absolute(o.path)
		names := output.Names(o.stage, full)
		for _, s := range seen {
			both := slices.IndexFunc(names, func(n string) bool { return slices.Contains(s.names, n) })
			switch {
			case full != s.path && both >= 0:
				bad = append(bad, plan.Complain(o.key, "%s would replace %s: with several objects both write %s", o.key, s.key, names[both]))
			case full == s.path:
				bad = append(bad, plan.Complain(o.key, "%s would replace %s: both are %s", o.key, s.key, o.path))
			case strings.HasPrefix(s.path, full+"/") || !s.input && strings.HasPrefix(full, s.path+"/"):
				bad = append(bad, plan.Complain(o.key, "%s and %s lie within each other: %s, %s", o.key, s.key, full, s.path))
			}
		}
		seen = append(seen, taken{o.key, full, false, names})
	}
	if bad == nil {
		return nil
	}
	return bad
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

// Written lists the files that the plan has written since a time: under final names, and what is
// left under temporary ones.
func (p *Plan) Written() (wrote, unfinished []string) {
	return written(p.Graph, p.opened)
}

func written(plan *graph.Plan, since time.Time) (wrote, unfinished []string) {
	fresh := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.ModTime().After(since)
	}
	for _, o := range outputs(plan) {
		for _, path := range output.Names(o.stage, o.path) {
			if partial := output.Partial(path); fresh(path) {
				wrote = append(wrote, path)
			} else if fresh(partial) {
				unfinished = append(unfinished, partial)
			}
		}
	}
	return wrote, unfinished
}

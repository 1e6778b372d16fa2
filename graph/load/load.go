// Package load checks a pipeline file and makes a plan of it. It holds the file against a list of
// stages: names, options, ports and their types, and the shape of the graph (one source, nothing
// missing, no cycle within a frame). Every mistake is reported at once, each with its place.
//
//	settings.go   [pipeline] and [model]
//	overrides.go  what the command line lays over the file
//	wire.go       stage tables to nodes and edges
//	options.go    the options of a stage, by its struct
//	check.go      the graph as a whole
//	suite.go      the list of stages itself
package load

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/tree"
)

// File reads a pipeline file and the files it extends, lays the overrides over it and checks the
// whole against the suite. The error is of type Diagnostics: every mistake that there is. The plan
// still needs analyze.Resolve, which sets what depends on the size of the input.
func File(path string, suite []*graph.Stage, o Overrides) (*graph.Plan, error) {
	return FS(nil, path, suite, o)
}

// FS is File on the files of fsys, the system's where it is nil.
func FS(fsys fs.FS, path string, suite []*graph.Stage, o Overrides) (*graph.Plan, error) {
	l := &loader{suite: suite}
	r := &tree.Reader{Diags: &l.diags, FS: fsys}
	root := r.File(path, func(format string, args ...any) graph.Diagnostic {
		return graph.Diagnostic{File: path, Message: fmt.Sprintf(format, args...)}
	})
	return l.plan(path, root, o)
}

// Bytes is File on a text. name stands for the file in messages, and its folder is what paths are
// relative to.
func Bytes(name string, data []byte, suite []*graph.Stage, o Overrides) (*graph.Plan, error) {
	l := &loader{suite: suite}
	r := &tree.Reader{Diags: &l.diags}
	return l.plan(name, r.Text(name, string(data)), o)
}

// loader is one load: the suite, the mistakes so far.
type loader struct {
	suite []*graph.Stage
	diags graph.Diagnostics
}

func (l *loader) add(d graph.Diagnostic) { l.diags = append(l.diags, d) }

// plan checks the tree and makes the plan.
func (l *loader) plan(name string, root *tree.Node, o Overrides) (*graph.Plan, error) {
	if root == nil {
		return nil, l.diags.Err()
	}
	root = o.lay(root, l.suite, &l.diags)
	l.strict(root, "a pipeline file", topKeys)
	if e := root.Table["extends"]; e != nil {
		l.add(e.AtKey("extends belongs in a file"))
	}
	p := &graph.Plan{File: name, Locate: locator(root)}
	p.Pipeline = l.settings(root)
	p.Model = l.model(root)

	stages := l.table(root, "stages")
	if stages == nil {
		if root.Table["stages"] == nil {
			l.add(root.AtKey("the file has no [stages.NAME] table"))
		}
		return nil, l.diags.Err()
	}
	d := &decoder{diags: &l.diags}
	g := l.build(stages, d)
	l.wire(g)
	l.check(g, stages)
	if err := l.diags.Err(); err != nil {
		return nil, err
	}
	d.reroot(o.Out)
	p.Join(g.planned())
	return p, nil
}

// locator makes diagnostics that point at a key of the tree.
func locator(root *tree.Node) func(key, message string) graph.Diagnostic {
	return func(key, message string) graph.Diagnostic {
		at := root
		for rest := key; rest != "" && at.Table != nil; {
			var next *tree.Node
			for end := len(rest); end > 0; end = strings.LastIndexByte(rest[:end], '.') { // quoted keys hold dots
				if n := at.Table[rest[:end]]; n != nil {
					next, rest = n, strings.TrimPrefix(rest[end:], ".")
					break
				}
			}
			if next == nil {
				break
			}
			at = next
		}
		return at.At("%s", message)
	}
}

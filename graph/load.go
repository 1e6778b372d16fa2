package graph

import (
	"fmt"
	"strings"
)

// Load reads a pipeline file and the files it extends, lays the overrides over it and checks the whole against the
// suite. The error is of type Diagnostics: every mistake that there is. The plan still needs Resolve, which sets
// what depends on the size of the input.
func Load(path string, suite []*Stage, o Overrides) (*Plan, error) {
	l := &loader{suite: suite}
	r := &reader{diags: &l.diags}
	root := r.file(path, func(format string, args ...any) Diagnostic {
		return Diagnostic{File: path, Message: fmt.Sprintf(format, args...)}
	})
	return l.plan(path, root, o)
}

// LoadBytes is Load on a text. name stands for the file in messages, and its folder is what paths are relative to.
func LoadBytes(name string, data []byte, suite []*Stage, o Overrides) (*Plan, error) {
	l := &loader{suite: suite}
	r := &reader{diags: &l.diags}
	return l.plan(name, r.text(name, string(data)), o)
}

// loader is one load: the suite, the mistakes so far.
type loader struct {
	suite []*Stage
	diags Diagnostics
}

func (l *loader) add(d Diagnostic) { l.diags = append(l.diags, d) }

// plan checks the tree and makes the plan.
func (l *loader) plan(name string, root *node, o Overrides) (*Plan, error) {
	if root == nil {
		return nil, l.diags.Err()
	}
	root = o.lay(root, l.suite, &l.diags)
	l.strict(root, "a pipeline file", topKeys)
	if e := root.table["extends"]; e != nil {
		l.add(e.atKey("extends belongs in a file"))
	}
	p := &Plan{File: name, Locate: locator(root)}
	p.Pipeline = l.settings(root)
	p.Model = l.model(root)

	stages := l.table(root, "stages")
	if stages == nil {
		if root.table["stages"] == nil {
			l.add(root.atKey("the file has no [stages.NAME] table"))
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
func locator(root *node) func(key, message string) Diagnostic {
	return func(key, message string) Diagnostic {
		at := root
		for rest := key; rest != "" && at.table != nil; {
			var next *node
			for end := len(rest); end > 0; end = strings.LastIndexByte(rest[:end], '.') { // quoted keys hold dots
				if n := at.table[rest[:end]]; n != nil {
					next, rest = n, strings.TrimPrefix(rest[end:], ".")
					break
				}
			}
			if next == nil {
				break
			}
			at = next
		}
		return at.at("%s", message)
	}
}

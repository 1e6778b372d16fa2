package main

import (
	"cmp"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/describe"
	"github.com/seed49bbd0e6/tachi/stages"
)

// inspectCmd describes a stage.
type inspectCmd struct {
	Stage string `arg:"" help:"Name of a stage, as tachi stages lists them."`
}

// Run prints the description.
func (c *inspectCmd) Run(a *app) error {
	s := stages.Find(c.Stage)
	if s == nil {
		var names []string
		for _, s := range stages.All {
			names = append(names, s.Name)
		}
		return usagef("no stage %q: %s", c.Stage, cmp.Or(graph.Suggest(c.Stage, names), "tachi stages lists them"))
	}
	if a.JSON {
		return writeJSON(a, describe.Describe(s))
	}
	return describe.Describe(s).WriteText(a.out)
}

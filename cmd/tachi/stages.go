package main

import (
	"github.com/seed49bbd0e6/tachi/graph/describe"
	"github.com/seed49bbd0e6/tachi/stages"
)

// stagesCmd lists the stages.
type stagesCmd struct {
	Markdown bool `help:"As the table of the README."`
}

// Run prints the list.
func (c *stagesCmd) Run(a *app) error {
	switch {
	case a.JSON:
		return describe.WriteStagesJSON(a.out, stages.All)
	case c.Markdown:
		return describe.WriteMarkdown(a.out, stages.All)
	}
	return describe.WriteStages(a.out, stages.All)
}

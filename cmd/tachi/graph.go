package main

import (
	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/graph/describe"
)

// graphCmd draws a plan.
type graphCmd struct {
	pipelineFlags
	Format string `enum:"text,dot,mermaid,json" default:"text" help:"text, dot, mermaid or json."`
}

// Run prints the drawing. Batch and capacities are those of a run when the input is there to look
// at.
func (c *graphCmd) Run(a *app) error {
	p, err := c.load()
	if err != nil {
		return err
	}
	var input graph.Probe
	if s := p.Graph.Source(); s.Stage.Probe != nil {
		if p, err := s.Stage.Probe(&graph.Env{Log: zerolog.Nop(), Stage: s.ID}, s.Options); err == nil {
			input = p
		}
	}
	plan, err := analyze.Resolve(p.Graph, analyze.Sizing{Width: input.Width, Height: input.Height})
	if err != nil {
		return err
	}
	switch c.Format {
	case "dot":
		return describe.WriteDOT(a.out, plan)
	case "mermaid":
		return describe.WriteMermaid(a.out, plan)
	case "json":
		return describe.WriteJSON(a.out, plan)
	}
	return describe.WriteText(a.out, plan)
}

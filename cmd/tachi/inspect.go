package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/graph/describe"
	"github.com/seed49bbd0e6/tachi/pipelines"
	"github.com/seed49bbd0e6/tachi/stages"
)

// validateCmd checks files.
type validateCmd struct {
	Files         []string `arg:"" name:"pipeline" help:"Pipeline files."`
	NoEnvironment bool     `help:"Touch no device, input or weights."`
	Set           []string `placeholder:"KEY=VALUE" sep:"none" help:"Set any key of the files."`
}

// Run prints one line per phase and file; all mistakes of all files are reported.
func (c *validateCmd) Run(a *app) error {
	var bad error
	for _, file := range c.Files {
		p, err := pipelines.Load(file, pipelines.Overrides{Set: c.Set})
		if err == nil && !a.JSON && !a.Quiet {
			fmt.Fprintf(a.out, "%s: syntax, stages and graph are right: %d stages, %d edges\n", file, len(p.Graph.Nodes), len(p.Graph.Edges))
		}
		if err == nil && !c.NoEnvironment {
			var plan *pipelines.Plan
			if plan, err = a.ready(p, pipelines.Options{Overwrite: true}); err == nil {
				if !a.JSON && !a.Quiet {
					fmt.Fprintf(a.out, "%s: input, device and weights are there: %s\n", file, pipelines.DeviceLine(plan.Model().Device))
				}
				err = plan.Close()
			}
		}
		switch {
		case err != nil:
			if _, placed := errors.AsType[graph.Diagnostics](err); !placed {
				err = fmt.Errorf("%s: %w", file, err)
			}
			a.report(err)
			bad = reported{err}
		case a.JSON:
			if err := writeJSON(a, map[string]any{"file": file, "right": true}); err != nil {
				return err
			}
		}
	}
	return bad
}

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

// schemaCmd prints the schema.
type schemaCmd struct{}

// Run prints it.
func (schemaCmd) Run(a *app) error {
	schema, err := describe.Schema(stages.All)
	if err != nil {
		return err
	}
	_, err = a.out.Write(append(schema, '\n'))
	return err
}

func writeJSON(a *app, v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	if isTerminal(a.out) {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

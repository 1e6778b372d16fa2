package main

import (
	"errors"
	"fmt"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/pipelines"
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

package analyze

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/internal/graphtest"
	"github.com/seed49bbd0e6/tachi/graph/load"
)

// tracker loads the pipeline of testdata/tracker.txtar.
func tracker(t *testing.T) *graph.Plan {
	t.Helper()
	ar, err := txtar.ParseFile("../load/testdata/tracker.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ar.Files {
		if f.Name != "pipeline.toml" {
			continue
		}
		p, err := load.Bytes("pipelines/tracker.toml", f.Data, graphtest.Suite(), load.Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Fatal("no pipeline.toml")
	return nil
}

// resolved resolves a plan for an input of a size.
func resolved(t *testing.T, p *graph.Plan, width, height int) *graph.Plan {
	t.Helper()
	q, err := Resolve(p, Sizing{Width: width, Height: height})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

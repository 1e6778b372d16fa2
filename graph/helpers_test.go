package graph

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// text is a value in one line.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// tracker loads the pipeline of testdata/tracker.txtar.
func tracker(t *testing.T) *Plan {
	t.Helper()
	ar, err := txtar.ParseFile("testdata/tracker.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ar.Files {
		if f.Name != "pipeline.toml" {
			continue
		}
		p, err := LoadBytes("pipelines/tracker.toml", f.Data, suite(), Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Fatal("no pipeline.toml")
	return nil
}

// resolved resolves a plan for an input of a size.
func resolved(t *testing.T, p *Plan, width, height int) *Plan {
	t.Helper()
	q, err := Resolve(p, Sizing{Width: width, Height: height})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

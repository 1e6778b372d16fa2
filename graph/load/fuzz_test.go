package load

import (
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/graph/describe"
	"github.com/seed49bbd0e6/tachi/graph/internal/graphtest"
)

// FuzzLoad feeds any text and any --set to the loader. It must not panic; a refusal says where; and
// whatever it accepts is a graph that can run: topological, one source, every edge with room.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, in := range ar.Files {
			if filepath.Ext(in.Name) == ".toml" {
				f.Add(in.Data, "stages.output.path=x.mp4")
			}
		}
	}
	f.Add([]byte("[stages.a]\nstage='noise'\n[stages.b]\nstage='dump'\ninputs.a='a.frame'"), "stages.b.inputs.b=a.frame")
	f.Add([]byte("a=[[{b.'c'=1},],]\n[[x.y]]\n'z'=2026-01-01 00:00:00 # c\n"), `a."b c"=[1,{x=2}]`)
	stages := graphtest.Suite()
	f.Fuzz(func(t *testing.T, data []byte, set string) {
		p, err := Bytes("fuzz.toml", data, stages, Overrides{Set: []string{set}, Out: "out"})
		if err != nil {
			refused(t, err)
			return
		}
		accepted(t, p)
	})
}

func refused(t *testing.T, err error) {
	ds, ok := err.(graph.Diagnostics)
	if !ok || len(ds) == 0 {
		t.Fatalf("%T: %v", err, err)
	}
	for _, d := range ds {
		flag := d.Excerpt.Rank == 0
		if d.Message == "" || d.File == "" || !flag && (d.Line < 1 || d.Column < 1) {
			t.Errorf("says too little: %+v", d)
		}
	}
	if err.Error() == "" || ds.WriteJSON(io.Discard) != nil {
		t.Error("cannot be written")
	}
}

func accepted(t *testing.T, p *graph.Plan) {
	p, err := analyze.Resolve(p, analyze.Sizing{Width: 640, Height: 360})
	if err != nil {
		return
	}
	at := map[*graph.PlanNode]int{}
	for i, n := range p.Nodes {
		at[n] = i
		if (n.Stage.Role == graph.Source) != (i == 0) {
			t.Errorf("%s is a %s at place %d", n.ID, n.Stage.Role, i)
		}
	}
	for _, n := range p.Nodes {
		if !slices.IsSortedFunc(n.Out, func(a, b *graph.Edge) int { return a.FromPort - b.FromPort }) {
			t.Errorf("the edges of %s are not in the order of its outputs", n.ID)
		}
	}
	for _, e := range p.Edges {
		if e.Delay == 0 && at[e.From] >= at[e.To] {
			t.Errorf("%s stands after %s", e.Source(), e.To.ID)
		}
		if e.Capacity < max(1, e.Delay) {
			t.Errorf("%s -> %s holds %d", e.Source(), e.To.ID, e.Capacity)
		}
		if !slices.Contains(e.From.Out, e) || e.To.In[e.ToPort] != e {
			t.Errorf("%s -> %s is not at its nodes", e.Source(), e.To.ID)
		}
	}
	if err := describe.WriteText(io.Discard, p); err != nil {
		t.Error(err)
	}
	if err := describe.WriteDOT(io.Discard, p); err != nil {
		t.Error(err)
	}
}

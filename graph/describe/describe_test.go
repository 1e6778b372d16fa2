package describe

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/graph/internal/graphtest"
	"github.com/seed49bbd0e6/tachi/graph/load"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// written compares what write gives with a golden file.
func written(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got)\n%s", name, diff)
	}
}

func TestStagesDescribeThemselves(t *testing.T) {
	var text, table, markdown, js bytes.Buffer
	for _, s := range graphtest.Suite() {
		if err := Describe(s).WriteText(&text); err != nil {
			t.Fatal(err)
		}
		text.WriteString("\n")
	}
	if err := WriteStages(&table, graphtest.Suite()); err != nil {
		t.Fatal(err)
	}
	if err := WriteMarkdown(&markdown, graphtest.Suite()); err != nil {
		t.Fatal(err)
	}
	if err := WriteStagesJSON(&js, graphtest.Suite()[:3]); err != nil {
		t.Fatal(err)
	}
	written(t, "inspect.golden", text.Bytes())
	written(t, "stages.golden", table.Bytes())
	written(t, "stages.md", markdown.Bytes())
	written(t, "stages.json", js.Bytes())
}

func TestSchemaIsStableJSON(t *testing.T) {
	data, err := Schema(graphtest.Suite())
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(data) {
		t.Error("schema is not JSON")
	}
	written(t, "schema.json", data)
}

func TestPlansAreDrawn(t *testing.T) {
	p := tracker(t)
	for name, write := range map[string]func(io.Writer, *graph.Plan) error{
		"tracker.dot":  WriteDOT,
		"tracker.mmd":  WriteMermaid,
		"tracker.json": WriteJSON,
	} {
		var b bytes.Buffer
		if err := write(&b, p); err != nil {
			t.Fatal(err)
		}
		written(t, name, b.Bytes())
	}
}

func TestTheFakeSuiteIsDocumented(t *testing.T) {
	if err := load.Check(graphtest.Suite()); err != nil {
		t.Error(err)
	}
}

func TestCheckFindsWhatIsUndocumentedOrBroken(t *testing.T) {
	type options struct {
		A int     `toml:"a" default:"many" doc:"a number"`
		B string  `toml:"b"`
		C string  `toml:"c" doc:"a choice" default:"z" enum:"x,y"`
		D float64 `doc:"forgotten"`
		E int     `toml:"stage" doc:"in the way"`
		F int     `toml:"f" doc:"both" required:"true" default:"1"`
		G int     `toml:"b" doc:"again"`
	}
	type out struct {
		X *graphtest.Frame `port:"X" doc:"badly named"`
		Y *graphtest.Frame `port:"y"`
		Z *graphtest.Frame `port:"y" doc:"again"`
	}
	err := load.Check([]*graph.Stage{graphtest.Source[options, out]("Bad Name", ""), graphtest.Source[graphtest.None, graphtest.None]("dry", "gives nothing."), graphtest.Source[graphtest.None, graphtest.ReadOut]("dry", "is there twice.")})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`"Bad Name": a name is lower-case`, `"Bad Name": no doc`, `output "X": a name`, `output "y" has no doc`, `output "y" is declared twice`,
		`option "a": default "many"`, `option "b" has no doc`, `option "c": default is one of x, y`, `field D has no toml tag`,
		`option "stage" cannot be a key`, `option "f" is required and has a default`, `option "b" is declared twice`,
		`"dry": no outputs`, `"dry": the name is taken`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s\n%v", want, err)
		}
	}
}

func TestDiagnosticsInJSONAreOneObjectALine(t *testing.T) {
	_, err := load.Bytes("x/p.toml", []byte("[pipelin]\n[stages.a]\nstage = \"raed\"\n"), graphtest.Suite(), load.Overrides{})
	ds, ok := err.(graph.Diagnostics)
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	var b bytes.Buffer
	if err := ds.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	want := `{"file":"x/p.toml","line":1,"column":2,"message":"a pipeline file has no key \"pipelin\"","help":"did you mean \"pipeline\"?"}
{"file":"x/p.toml","line":3,"column":9,"message":"there is no stage called \"raed\"","help":"did you mean \"read\"?"}
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// tracker is the pipeline of ../load/testdata/tracker.txtar, resolved for 1280 x 720.
func tracker(t *testing.T) *graph.Plan {
	ar, err := txtar.ParseFile("../load/testdata/tracker.txtar")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == "pipeline.toml" })
	p, err := load.Bytes("pipelines/tracker.toml", ar.Files[i].Data, graphtest.Suite(), load.Overrides{})
	if err == nil {
		p, err = analyze.Resolve(p, analyze.Sizing{Width: 1280, Height: 720})
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

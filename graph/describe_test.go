package graph

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
	for _, s := range suite() {
		if err := Describe(s).WriteText(&text); err != nil {
			t.Fatal(err)
		}
		text.WriteString("\n")
	}
	if err := WriteStages(&table, suite()); err != nil {
		t.Fatal(err)
	}
	if err := WriteMarkdown(&markdown, suite()); err != nil {
		t.Fatal(err)
	}
	if err := WriteStagesJSON(&js, suite()[:3]); err != nil {
		t.Fatal(err)
	}
	written(t, "inspect.golden", text.Bytes())
	written(t, "stages.golden", table.Bytes())
	written(t, "stages.md", markdown.Bytes())
	written(t, "stages.json", js.Bytes())
}

func TestSchemaIsStableJSON(t *testing.T) {
	data, err := Schema(suite())
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(data) {
		t.Error("schema is not JSON")
	}
	written(t, "schema.json", data)
}

func TestPlansAreDrawn(t *testing.T) {
	p := resolved(t, tracker(t), 1280, 720)
	for name, write := range map[string]func(io.Writer, *Plan) error{
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
	if err := Check(suite()); err != nil {
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
		X *frame `port:"X" doc:"badly named"`
		Y *frame `port:"y"`
		Z *frame `port:"y" doc:"again"`
	}
	err := Check([]*Stage{source[options, out]("Bad Name", ""), source[none, none]("dry", "gives nothing."), source[none, readOut]("dry", "is there twice.")})
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
	_, err := LoadBytes("x/p.toml", []byte("[pipelin]\n[stages.a]\nstage = \"raed\"\n"), suite(), Overrides{})
	ds, ok := err.(Diagnostics)
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

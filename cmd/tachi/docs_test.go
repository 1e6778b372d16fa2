//go:build !nomedia

package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph/describe"
	"github.com/seed49bbd0e6/tachi/graph/load"
	"github.com/seed49bbd0e6/tachi/stages"
)

var update = flag.Bool("update", false, "write the generated parts of the documentation")

func TestEveryStagePortAndOptionIsDocumented(t *testing.T) {
	if err := load.Check(stages.All); err != nil {
		t.Fatal(err)
	}
}

// TestGeneratedDocumentationIsCurrent compares what is generated from the stage values with what is
// committed.
func TestGeneratedDocumentationIsCurrent(t *testing.T) {
	schema, err := describe.Schema(stages.All)
	if err != nil {
		t.Fatal(err)
	}
	whole(t, "../../pipelines/tachi.schema.json", append(schema, '\n'))

	var table bytes.Buffer
	if err := describe.WriteMarkdown(&table, stages.All); err != nil {
		t.Fatal(err)
	}
	section(t, "../../README.md", "stages", table.String())

	pipeline, err := os.ReadFile("../../pipelines/samurai.toml")
	if err != nil {
		t.Fatal(err)
	}
	section(t, "../../README.md", "pipeline", "```toml\n"+string(pipeline)+"```\n")
}

// whole compares a file.
func whole(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, want, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is stale (%v): go test ./cmd/tachi -run Documentation -update", filepath.Base(path), err)
	}
}

// section compares the part of a file between <!-- name --> and <!-- /name -->.
func section(t *testing.T, path, name, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	i, j := strings.Index(string(data), begin), strings.Index(string(data), end)
	if i < 0 || j < i {
		t.Fatalf("%s has no part %q", path, name)
	}
	i += len(begin)
	if *update {
		data = []byte(string(data[:i]) + want + string(data[j:]))
		j = i + len(want)
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(data[i:j]); got != want {
		t.Errorf("part %q of %s is stale: go test ./cmd/tachi -run Documentation -update", name, filepath.Base(path))
	}
}

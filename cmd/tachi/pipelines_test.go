package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages"
)

// A new pipeline is one file: each that is in the folder is checked.
func TestEveryShippedPipelineIsRight(t *testing.T) {
	files, err := filepath.Glob("../../pipelines/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("no pipelines", err)
	}
	if !stages.HasVideo {
		files = []string{"../../pipelines/bench.toml"}
		t.Log("this build reads no video: only the pipeline of the benchmark")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var out, complaints strings.Builder
			if code := Main([]string{"validate", "--no-environment", file}, &out, &complaints); code != exitDone {
				t.Errorf("exit code %d: %s", code, complaints.String())
			}
		})
	}
}

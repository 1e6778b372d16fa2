//go:build !nomedia

package main

import (
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/eval"
)

// evaluate runs `tachi --json eval` and returns its rows.
func evaluate(t *testing.T, args ...string) (rows []row) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	var out, messages bytes.Buffer
	if code := Main(append([]string{"--json", "eval"}, args...), &out, &messages); code != 0 {
		t.Fatalf("eval %v: exit %d: %s", args, code, messages.String())
	}
	for d := json.NewDecoder(&out); d.More(); {
		var r row
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

// TestARunScoresTheSameInProcessAndFromItsFiles runs a pipeline on a synthetic clip twice: once
// under eval, and once as a user would, whose masks are then compared with the truth that synth
// writes.
func TestARunScoresTheSameInProcessAndFromItsFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	run := func(args ...string) {
		t.Helper()
		var out, messages bytes.Buffer
		if code := Main(args, &out, &messages); code != 0 {
			t.Fatalf("%v: exit %d: %s", args, code, messages.String())
		}
	}
	// The clip ends up as a folder of its own truth; the run reads the same clip from the
	// generator.
	run("-q", "synth", "--family", "crossing", "--seed", "11", "--frames", "6", "--size", "96x64", "-o", filepath.Join(dir, "truth"))
	pipeline := filepath.Join("testdata", "masks.toml")
	run("-q", "run", pipeline, "-o", dir)

	files := evaluate(t, "--truth", filepath.Join(dir, "truth", "crossing-11"), "--result", filepath.Join(dir, "masks"), "--object", "1")
	inside := evaluate(t, "--synthetic", "--family", "crossing", "--seed", "11", "--clips", "1", "--frames", "6", "--size", "96x64", "--pipeline", pipeline)
	if len(files) != 1 || len(inside) != 3 || inside[0].Method != "masks" {
		t.Fatalf("%d rows from files, %d in process", len(files), len(inside))
	}
	a, b := files[0].Scores, inside[0].Scores
	for name, v := range map[string][2]*float64{"J": {a.J, b.J}, "AUC": {a.AUC, b.AUC}, "precision": {a.Precision, b.Precision},
		"normalised precision": {a.Normalized, b.Normalized}} {
		if v[0] == nil || v[1] == nil || math.Abs(*v[0]-*v[1]) > 1e-12 {
			t.Errorf("%s: %v from files, %v in process", name, v[0], v[1])
		}
	}
	if inside[1].Method != eval.BaselineNames[0] || *inside[2].J < *inside[1].J {
		t.Errorf("the best velocity scores less than standing still")
	}
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed49bbd0e6/tachi/stages"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tachi": main})
}

// TestCommandLine runs the scripts of testdata/script: what a user types, what comes back, and the exit code.
func TestCommandLine(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROOT", root)
			e.Setenv("TRACK", filepath.Join(root, "pipelines/samurai.toml"))
			e.Setenv("FAST", "model.config.image_size=64")
			e.Setenv("CLIPS", filepath.Join(root, "stages/internal/media/testdata"))
			e.Setenv("TACHI_CPU", os.Getenv("TACHI_CPU"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cut":       cut,
			"damage":    damage,
			"exitcode":  exitcode,
			"hexfile":   hexfile,
			"hostile":   hostile,
			"interrupt": interrupt,
			"jsonlines": jsonlines,
			"lines":     lines,
			"picture":   picture,
		},
		Condition: func(cond string) (bool, error) {
			if cond != "media" {
				return false, fmt.Errorf("no condition %q", cond)
			}
			return stages.HasVideo, nil
		},
		UpdateScripts: os.Getenv("UPDATE") != "",
	})
}

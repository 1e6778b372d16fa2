package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed49bbd0e6/tachi/stages"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tachi": main})
}

// TestCommandLine runs the scripts of testdata/script: what a user types, what comes back, and the
// exit code.
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
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, ".cache"))
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
			"join":      join,
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

// A file name is bytes, and need not be UTF-8.
func TestFileNamesThatAreNotUTF8AreOpened(t *testing.T) {
	if !stages.HasVideo {
		t.Skip("this build reads no video")
	}
	clip, err := os.ReadFile("../../stages/internal/media/testdata/plain.mp4")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	from, to := filepath.Join(dir, "clip_\xfc.mp4"), filepath.Join(dir, "frame_\xe4.png")
	if err := os.WriteFile(from, clip, 0o666); err != nil {
		t.Skip("this file system has no such names:", err)
	}
	var out, complaints strings.Builder
	if code := Main([]string{"frame", from, "-o", to}, &out, &complaints); code != exitDone {
		t.Fatal(code, complaints.String())
	}
	if _, err := os.Stat(to); err != nil {
		t.Error(err)
	}
}

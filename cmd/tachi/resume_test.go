//go:build !nomedia

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// resumable is a pipeline with every kind of file that a run can go on with.
const resumable = `extends = %q
[model.config]
image_size = 64
[stages.pictures]
stage  = "write-masks"
inputs = { result = "select.result" }
path   = "masks"
`

// tachi is the program as another process, in a folder.
type tachi struct {
	*testing.T
	dir, program string
}

func newTachi(t *testing.T) *tachi {
	t.Helper()
	p := &tachi{T: t, dir: t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p.program = filepath.Join(p.dir, "tachi") // the name by which the test's binary knows that it is the program
	if err := os.Symlink(self, p.program); err != nil {
		t.Fatal(err)
	}
	base, err := filepath.Abs("../../pipelines/samurai.toml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "run.toml"), fmt.Appendf(nil, resumable, base), 0o666); err != nil {
		t.Fatal(err)
	}
	return p
}

// start runs the pipeline into a folder.
func (p *tachi) start(out string, more ...string) *exec.Cmd {
	clip, err := filepath.Abs("../../stages/internal/media/testdata/plain.mp4")
	if err != nil {
		p.Fatal(err)
	}
	c := exec.Command(p.program, append([]string{"run", "run.toml", "-q", "-i", clip, "--box", "10,10,30,30", "-o", out, "--checkpoint-every", "4"}, more...)...)
	c.Dir = p.dir
	c.Stderr = &bytes.Buffer{}
	return c
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}

// files reads everything under a folder.
func (p *tachi) files(out string) map[string]string {
	p.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(filepath.Join(p.dir, out), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(filepath.Join(p.dir, out), path)
		all[rel] = string(data)
		return err
	})
	if err != nil {
		p.Fatal(err)
	}
	return all
}

// Killed at fifty random instants (five with -short) and taken up again each time, runs leave what
// a run leaves that nobody disturbs: boxes, events, masks and the overlay, byte for byte, and
// nothing else.
func TestAKilledRunGoesOnWhereItWas(t *testing.T) {
	enough := 50
	if testing.Short() {
		enough = 5
		t.Log("5 kills instead of 50")
	}
	p := newTachi(t)
	begun := time.Now()
	if err := p.start("whole").Run(); err != nil {
		t.Fatal(err)
	}
	long := time.Since(begun)
	want := p.files("whole")
	if len(want) != 3+30 {
		t.Fatalf("%d files: %v", len(want), want)
	}
	r := rand.New(rand.NewPCG(50, 50))
	kills, resumed, runs := 0, 0, 0
	for kills < enough {
		runs++
		out := fmt.Sprint("run", runs)
		for done := false; !done; {
			var more []string
			if exists(p.dir, out, "checkpoint.tachi") {
				more = []string{"--resume"}
				resumed++
			}
			c := p.start(out, more...)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(time.Duration(r.Float64()*1.2*float64(long)), func() { c.Process.Kill() })
			err := c.Wait()
			timer.Stop()
			switch {
			case err == nil:
				done = true
			case c.ProcessState.ExitCode() >= 0:
				t.Fatalf("run %d, %v: %v: %s", runs, more, err, c.Stderr)
			default:
				kills++
				// Perhaps between the removal of the checkpoint, which is the last that a run does,
				// and the exit.
				done = exists(p.dir, out, "overlay.mp4") && !exists(p.dir, out, "checkpoint.tachi")
			}
		}
		got := p.files(out)
		for name := range got {
			if _, ok := want[name]; !ok {
				t.Errorf("run %d leaves %s", runs, name)
			}
		}
		for name, text := range want {
			if got[name] != text {
				t.Errorf("run %d: %s differs: %d bytes, want %d", runs, name, len(got[name]), len(text))
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d kills of %d runs, %d times gone on; a run takes %v", kills, runs, resumed, long)
	if resumed < enough/5 {
		t.Errorf("only %d of %d killed runs had a checkpoint", resumed, kills)
	}
}

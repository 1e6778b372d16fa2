//go:build !nomedia

package encodeoutput

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/media"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

func options(path string) *Options {
	return &Options{Path: graph.OutPath(path), CRF: 12, Preset: "ultrafast", Threads: 1}
}

func env() *graph.Env { return &graph.Env{Stage: "output", Log: zerolog.Nop()} }

// clip decodes a fixture of the media package.
func clip(t *testing.T, name string) []*token.Frame {
	t.Helper()
	r, err := media.Open("../internal/media/testdata/"+name, media.ReadOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var frames []*token.Frame
	for {
		f, err := r.Next()
		if err == io.EOF {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, &token.Frame{Header: &token.Header{Stream: r.Stream(), Index: f.Index, PTS: f.PTS, Duration: f.Duration}, RGB: f.RGB, Audio: f.Audio})
	}
}

// write runs the sink over frames and closes it with cause.
func write(t *testing.T, o *Options, frames []*token.Frame, result func(*token.Frame) *token.Result, cause error) error {
	t.Helper()
	node, err := Stage.Open(env(), o)
	if err != nil {
		return err
	}
	for _, f := range frames {
		in := &In{Frame: f}
		if result != nil {
			in.Result = result(f)
		}
		if _, err := node.Fire(context.Background(), []any{in}); err != nil {
			return errors.Join(err, node.Close(err))
		}
	}
	return node.Close(cause)
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func TestOverlayHasTheFramesTimesSizeAndSoundOfItsSource(t *testing.T) {
	for _, name := range []string{"plain.mp4", "variable.mp4", "turned90.mp4", "odd.mp4"} {
		t.Run(name, func(t *testing.T) {
			in := clip(t, name)
			path := filepath.Join(t.TempDir(), "out", "overlay.mp4")
			s := in[0].Stream
			before := string(in[0].RGB)
			err := write(t, options(path), in, func(f *token.Frame) *token.Result {
				return &token.Result{Header: f.Header, Objects: []*token.Tracked{tracked(1, s.Width, s.Height, 4, s.Width/2, s.Height/2, s.Width, s.Height)}}
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if string(in[0].RGB) != before {
				t.Error("the token was drawn on")
			}
			r, err := media.Open(path, media.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			o := r.Stream()
			if o.Width != (s.Width+1)&^1 || o.Height != (s.Height+1)&^1 || o.Frames != len(in) || (o.Audio != nil) != (s.Audio != nil) {
				t.Errorf("stream %+v of %+v", *o, *s)
			}
			if math.Abs(o.Rate.Float()-s.Rate.Float()) > 0.01 {
				t.Errorf("%g frames per second, want %g", o.Rate.Float(), s.Rate.Float())
			}
			for i, want := range in {
				got, err := r.Next()
				if err != nil {
					t.Fatal(i, err)
				}
				if a, b := float64(want.PTS)*s.TimeBase.Float(), float64(got.PTS)*o.TimeBase.Float(); math.Abs(a-b) > 1e-4 {
					t.Errorf("frame %d at %.4f s, want %.4f s", i, b, a)
				}
				if a, b := float64(want.Duration)*s.TimeBase.Float(), float64(got.Duration)*o.TimeBase.Float(); math.Abs(a-b) > 1e-4 {
					t.Errorf("frame %d lasts %.4f s, want %.4f s", i, b, a)
				}
				// The white quarter wears the veil.
				at := (s.Height*4/5*o.Width + s.Width*4/5) * 3
				if c := got.RGB[at : at+3]; name != "turned90.mp4" && (c[2] > 200 || c[0] < 200) {
					t.Fatalf("frame %d: %v at the object", i, c)
				}
			}
			if _, err := r.Next(); err != io.EOF {
				t.Error("then", err)
			}
			if exists(strings.TrimSuffix(path, ".mp4") + ".partial.mp4") {
				t.Error("a partial file is left over")
			}
		})
	}
}

func TestInterruptedRunLeavesAPartialThatPlays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "overlay.mp4")
	if err := write(t, options(path), clip(t, "plain.mp4")[:12], nil, errors.New("interrupted")); err != nil {
		t.Fatal(err)
	}
	if exists(path) {
		t.Fatal("an unfinished file has the final name")
	}
	r, err := media.Open(filepath.Join(filepath.Dir(path), "overlay.partial.mp4"), media.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Stream().Frames != 12 {
		t.Errorf("%d frames, want 12", r.Stream().Frames)
	}
}

func TestWithoutFramesThereIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := write(t, options(filepath.Join(dir, "overlay.mp4")), nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Error(entries)
	}
}

func TestOutputThatCannotBeWrittenIsToldAtOnce(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "overlay.mp4")
	os.WriteFile(there, []byte("mine"), 0o666)
	for path, want := range map[string]string{
		there:                            "overlay.mp4 exists: give --overwrite",
		filepath.Join(there, "more.mp4"): "a file stands where a folder is needed",
		"/proc/overlay.mp4":              "/proc/overlay.mp4: ",
	} {
		_, err := Stage.Open(env(), options(path))
		if err == nil || graph.KindOf(err) != graph.BadOutput || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want BadOutput with %q", path, err, want)
		}
	}
	e := env()
	e.Overwrite = true
	node, err := Stage.Open(e, options(there))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range clip(t, "turned90.mp4") {
		if _, err := node.Fire(t.Context(), []any{&In{Frame: f}}); err != nil {
			t.Fatal(err)
		}
	}
	if b, _ := os.ReadFile(there); string(b) != "mine" {
		t.Error("the old output was touched before the new one was complete")
	}
	if err := node.Close(nil); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(there); string(b) == "mine" {
		t.Error("the old output is still there")
	}
}

func TestFullDiskIsBadOutput(t *testing.T) {
	if !exists("/dev/full") {
		t.Skip("no /dev/full here")
	}
	path := filepath.Join(t.TempDir(), "overlay.mp4")
	if err := os.Symlink("/dev/full", strings.TrimSuffix(path, ".mp4")+".partial.mp4"); err != nil {
		t.Fatal(err)
	}
	err := write(t, options(path), clip(t, "plain.mp4"), nil, nil)
	if graph.KindOf(err) != graph.BadOutput || !strings.Contains(err.Error(), "overlay.mp4: ") || !strings.Contains(err.Error(), "the disk is full") || exists(path) {
		t.Errorf("error %v, want that the disk is full", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for key, o := range map[string]Options{
		"path":    {Path: "overlay.avi", CRF: 20},
		"crf":     {Path: "overlay.mp4", CRF: 52},
		"threads": {Path: "overlay.MP4", CRF: 20, Threads: -1},
	} {
		var complaint *graph.OptionError
		if err := o.Validate(); !errors.As(err, &complaint) || complaint.Key != key {
			t.Errorf("%s: %v", key, err)
		}
	}
}

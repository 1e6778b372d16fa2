//go:build !nomedia

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/graph/load"

	goruntime "runtime"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
	"github.com/seed49bbd0e6/tachi/runtime"
	"github.com/seed49bbd0e6/tachi/stages"
)

// small is the benchmark's pipeline on a few small frames, with its results written.
func small(t *testing.T, dir string) *graph.Plan {
	t.Helper()
	plan, err := load.File("../../pipelines/bench.toml", stages.All, load.Overrides{Set: []string{
		"stages.source.width=96", "stages.source.height=64", "stages.source.frames=12", "model.config.image_size=64",
		"stages.sink.stage=write-tracks", "stages.sink.path=" + filepath.Join(dir, "tracks.txt"), "stages.sink.events=" + filepath.Join(dir, "events.jsonl")}})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// quiet is an app that says nothing.
func quiet(t *testing.T) *app {
	return &app{cli: &cli{Quiet: true}, ctx: t.Context(), out: io.Discard, err: io.Discard, log: zerolog.Nop()}
}

// scarce lets a stage run out of device memory whenever it gets more than most frames from one on.
func scarce(id string, most, from int) func(*graph.PlanNode) {
	seen := 0
	return around(id, func(f fire) fire {
		return func(ctx context.Context, in []any) ([]any, error) {
			if len(in) > most && seen >= from {
				return nil, &kernels.OutOfMemoryError{Device: "test", Asked: 1 << 20, Live: 1 << 30}
			}
			seen += len(in)
			return f(ctx, in)
		}
	})
}

func TestRunningOutOfMemoryChangesNothingButTheMicroBatch(t *testing.T) {
	outputs := func(spoil func(*graph.PlanNode)) (tracks, events []byte, r *runtime.Report) {
		dir, a := t.TempDir(), quiet(t)
		e, err := a.engine(small(t, dir), analyze.Sizing{}, false)
		if err != nil {
			t.Fatal(err)
		}
		e.plan = e.plan.Edit(spoil)
		if r, err = e.run(a, runtime.Options{}); err != nil {
			t.Fatal(err)
		}
		if err := e.close(); err != nil {
			t.Error(err)
		}
		if tracks, err = os.ReadFile(filepath.Join(dir, "tracks.txt")); err != nil {
			t.Fatal(err)
		}
		if events, err = os.ReadFile(filepath.Join(dir, "events.jsonl")); err != nil {
			t.Fatal(err)
		}
		return tracks, events, r
	}
	tracks, events, whole := outputs(nil)
	split, splitEvents, halved := outputs(scarce("encode", 1, 4))
	if !bytes.Equal(tracks, split) || !bytes.Equal(events, splitEvents) {
		t.Error("the results differ")
	}
	firings := func(r *runtime.Report) int { return r.Stages[2].Firings }
	// Two whole firings, one refused, eight by themselves: the smaller number is remembered.
	if whole.Stages[2].ID != "encode" || firings(whole) != 6 || firings(halved) != 2+1+8 {
		t.Errorf("%s: %d firings, %d with little memory", whole.Stages[2].ID, firings(whole), firings(halved))
	}
}

func TestWithoutMemoryForOneFrameTheRunFailsClearly(t *testing.T) {
	a := quiet(t)
	e, err := a.engine(small(t, t.TempDir()), analyze.Sizing{}, false)
	if err != nil {
		t.Fatal(err)
	}
	e.plan = e.plan.Edit(scarce("encode", 0, 4))
	_, err = e.run(a, runtime.Options{})
	want := "encode: frame 4: test: out of memory: 1048576 bytes asked, 1073741824 in use"
	if err == nil || !strings.HasPrefix(err.Error(), want) || exitCode(err) != exitFailed {
		t.Errorf("error %v, exit code %d, want %s", err, exitCode(err), want)
	}
	if err := e.close(); err != nil {
		t.Error(err) // says what was not returned
	}
}

// little is a device with room for so many bytes.
type little struct {
	kernels.Device
	room int
}

func (d *little) Alloc(dt kernels.DType, shape ...int) (*kernels.Tensor, error) {
	t := kernels.Tensor{DType: dt, Shape: shape}
	if t.Bytes() > d.room {
		return nil, &kernels.OutOfMemoryError{Device: "little", Asked: t.Bytes(), Live: 0}
	}
	return d.Device.Alloc(dt, shape...)
}

func TestAPlanThatFindsNoRoomIsMadeSmaller(t *testing.T) {
	a := quiet(t)
	e, err := a.engine(small(t, t.TempDir()), analyze.Sizing{}, false)
	if err != nil {
		t.Fatal(err)
	}
	before := e.bound.Footprints[2].Need.Work // the encoder's
	e.env.Device = &little{e.dev, before - 1}
	if _, err := e.run(a, runtime.Options{}); err != nil {
		t.Fatal(err)
	}
	if e.env.Micro >= 2 || e.bound.Footprints[2].Need.Work >= before {
		t.Errorf("batch %d, micro %d, workspace %d of %d bytes", e.env.Batch, e.env.Micro, e.bound.Footprints[2].Need.Work, before)
	}

	e.loaded = small(t, t.TempDir())
	if err := e.fit(); err != nil {
		t.Fatal(err)
	}
	e.env.Device = &little{e.dev, 1000}
	var full *runtime.NoRoomError
	if _, err := e.run(a, runtime.Options{}); !errors.As(err, &full) || graph.KindOf(err) != graph.BadConfig || !strings.Contains(err.Error(), "what helps: ") {
		t.Errorf("error %v", err)
	}
	if err := e.close(); err != nil {
		t.Error(err)
	}
}

// One video after the other leaves nothing behind: no file stays open, no goroutine goes on, no device memory is kept.
func TestManyVideosLeaveNothingOpen(t *testing.T) {
	count := 200
	if testing.Short() {
		count = 20
		t.Log("20 videos instead of 200")
	}
	dir := t.TempDir()
	a := quiet(t)
	shared := &sharedModel{a: a}
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc here to count open files")
		}
		return len(entries)
	}
	var files, routines, live int
	for i := range count {
		flags := pipelineFlags{File: "../../pipelines/samurai.toml", Input: []string{"../../stages/internal/media/testdata/plain.mp4"}, Box: "10,10,30,30",
			Out: filepath.Join(dir, fmt.Sprint(i)), Set: []string{"model.config.image_size=64", "stages.decode.frames=3"}}
		plan, err := flags.load()
		if err != nil {
			t.Fatal(err)
		}
		e, err := shared.engine(plan, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.run(a, runtime.Options{}); err != nil {
			t.Fatal(err)
		}
		if i == 4 {
			files, routines, live = open(), goruntime.NumGoroutine(), e.dev.(*cpu.Device).Live()
		}
		if i == count-1 {
			if f, r, l := open(), goruntime.NumGoroutine(), e.dev.(*cpu.Device).Live(); f > files || r > routines || l != live {
				t.Errorf("after %d videos: %d open files, %d goroutines, %d bytes on the device; after five %d, %d, %d", count, f, r, l, files, routines, live)
			}
		}
	}
	shared.close()
}

//go:build !nomedia

package pipelines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed49bbd0e6/tachi/graph/analyze"

	goruntime "runtime"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
	"github.com/seed49bbd0e6/tachi/runtime"
)

// small is the benchmark's pipeline on a few small frames, with its results written.
func small(t *testing.T, dir string) *Pipeline {
	t.Helper()
	p, err := Load("bench.toml", Overrides{Set: []string{
		"stages.source.width=96", "stages.source.height=64", "stages.source.frames=12", "model.config.image_size=64",
		"stages.sink.stage=write-tracks", "stages.sink.path=" + filepath.Join(dir, "tracks.txt"), "stages.sink.events=" + filepath.Join(dir, "events.jsonl")}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// planned is a pipeline that is ready to run.
func planned(t *testing.T, p *Pipeline, o Options) *Plan {
	t.Helper()
	plan, err := p.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	return plan
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
		dir := t.TempDir()
		plan := planned(t, small(t, dir), Options{})
		plan.Graph = plan.Graph.Edit(spoil)
		var err error
		if r, err = plan.Run(t.Context(), runtime.Options{}); err != nil {
			t.Fatal(err)
		}
		if err := plan.Close(); err != nil {
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
	e := planned(t, small(t, t.TempDir()), Options{})
	e.Graph = e.Graph.Edit(scarce("encode", 0, 4))
	_, err := e.Run(t.Context(), runtime.Options{})
	want := "encode: frame 4: test: out of memory: 1048576 bytes asked, 1073741824 in use"
	if err == nil || !strings.HasPrefix(err.Error(), want) || graph.KindOf(err) != graph.RunFailed {
		t.Errorf("error %v of kind %d, want %s", err, graph.KindOf(err), want)
	}
	if err := e.Close(); err != nil {
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
	e := planned(t, small(t, t.TempDir()), Options{})
	before := e.Bound.Footprints[2].Need.Work // the encoder's
	e.Env.Device = &little{e.Model().plain, before - 1}
	if _, err := e.Run(t.Context(), runtime.Options{}); err != nil {
		t.Fatal(err)
	}
	if e.Env.Micro >= 2 || e.Bound.Footprints[2].Need.Work >= before {
		t.Errorf("batch %d, micro %d, workspace %d of %d bytes", e.Env.Batch, e.Env.Micro, e.Bound.Footprints[2].Need.Work, before)
	}

	e.pipeline, e.size = small(t, t.TempDir()), analyze.Sizing{}
	if err := e.fit(); err != nil {
		t.Fatal(err)
	}
	e.Env.Device = &little{e.Model().plain, 1000}
	var full *runtime.NoRoomError
	if _, err := e.Run(t.Context(), runtime.Options{}); !errors.As(err, &full) || graph.KindOf(err) != graph.BadConfig || !strings.Contains(err.Error(), "what helps: ") {
		t.Errorf("error %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// One video after the other leaves nothing behind: no file stays open, no goroutine goes on, no
// device memory is kept.
func TestManyVideosLeaveNothingOpen(t *testing.T) {
	count := 200
	if testing.Short() {
		count = 20
		t.Log("20 videos instead of 200")
	}
	dir := t.TempDir()
	var shared *Model
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc here to count open files")
		}
		return len(entries)
	}
	var files, routines, live int
	for i := range count {
		p, err := Load("samurai.toml", Overrides{Input: "../stages/internal/media/testdata/plain.mp4", Source: Box(10, 10, 30, 30),
			Out: filepath.Join(dir, fmt.Sprint(i)), Set: []string{"model.config.image_size=64", "stages.decode.frames=3"}})
		if err != nil {
			t.Fatal(err)
		}
		if shared == nil {
			if shared, err = p.OpenModel(Options{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.Run(t.Context(), Options{Model: shared}); err != nil {
			t.Fatal(err)
		}
		if i == 4 {
			files, routines, live = open(), goruntime.NumGoroutine(), shared.Device.(*cpu.Device).Live()
		}
		if i == count-1 {
			if f, r, l := open(), goruntime.NumGoroutine(), shared.Device.(*cpu.Device).Live(); f > files || r > routines || l != live {
				t.Errorf("after %d videos: %d open files, %d goroutines, %d bytes on the device; after five %d, %d, %d", count, f, r, l, files, routines, live)
			}
		}
	}
	if err := shared.Close(); err != nil {
		t.Error(err)
	}
}

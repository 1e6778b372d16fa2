package runtime

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels/null"
)

// A run that goes on from any of its checkpoints sees what the whole run saw from there on, on
// random graphs with all kinds of feedback.
func TestARunGoesOnFromEveryCheckpoint(t *testing.T) {
	resumed, tokens := 0, 0
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 5))
			fresh := func() *world {
				w := newWorld(seed)
				w.end, w.frames = complete, 40
				return w
			}
			run := func(w *world, o Options) *Report {
				env, dev := environment(w.batch, w.micro), null.New()
				env.Device = dev
				rep, err := Run(t.Context(), &w.plan, env, o)
				if err == nil {
					err = dev.Close()
				}
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				return rep
			}
			whole := fresh()
			var points []*Checkpoint
			every := 1 + r.IntN(12)
			run(whole, Options{CheckpointEvery: every, Checkpoint: func(c *Checkpoint) error { points = append(points, c); return nil }})
			if len(points) != 40/every {
				t.Fatalf("seed %d: %d checkpoints of every %d of 40 frames", seed, len(points), every)
			}
			for i, c := range points {
				if c.Frame != (i+1)*every {
					t.Fatalf("seed %d: checkpoint %d is at frame %d", seed, i, c.Frame)
				}
			}
			c := points[r.IntN(len(points))]
			rest := fresh()
			rep := run(rest, Options{Resume: c})
			for id, want := range whole.seen {
				if got := *rest.seen[id]; !slices.Equal(got, (*want)[c.Frame:]) {
					t.Errorf("seed %d: from frame %d on %s saw %v, want %v", seed, c.Frame, id, got, (*want)[c.Frame:])
				}
				if rest.resumed[id] != fmt.Sprint(c.Frame) {
					t.Errorf("seed %d: %s was resumed with %q at frame %d", seed, id, rest.resumed[id], c.Frame)
				}
			}
			if rep.Frames != 40 || rep.First != c.Frame {
				t.Errorf("seed %d: frames %d to %d", seed, rep.First, rep.Frames)
			}
			resumed++
			tokens += len(c.Tokens)
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	if tokens < resumed/2 {
		t.Errorf("only %d tokens in %d checkpoints", tokens, resumed)
	}
}

func TestWhatCannotBeResumedIsSaidBeforeTheFirstFrame(t *testing.T) {
	var b builder
	seen := []int{}
	b.add("count", counter(5, nil))
	b.add("sink", collect(&seen))
	b.link("count.n", "sink.n", 0)
	o := Options{CheckpointEvery: 2, Checkpoint: func(*Checkpoint) error { return nil }}
	if _, err := Run(t.Context(), b.done(1), environment(1, 1), o); graph.KindOf(err) != graph.BadConfig || len(seen) > 0 {
		t.Errorf("error %v after %d frames", err, len(seen))
	}
}

func TestACheckpointThatCannotBeWrittenEndsTheRun(t *testing.T) {
	full := errors.New("the disk is full")
	w := newWorld(2)
	w.end, w.frames = complete, 40
	env, dev := environment(w.batch, w.micro), null.New()
	env.Device = dev
	_, err := Run(t.Context(), &w.plan, env, Options{CheckpointEvery: 10, Checkpoint: func(*Checkpoint) error { return full }})
	if !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
}

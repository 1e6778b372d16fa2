// Package measure says what the stages of a pipeline cost on this machine: each by itself, with the
// machine to itself, and every op against what the machine can do.
package measure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/pipelines"
	"github.com/seed49bbd0e6/tachi/runtime"
)

// A stage is a pure function of its tokens, so it can be timed in place: run the pipeline until the
// memory is full, hold the stage's next firing until every other stage has come to rest (they soon
// must, behind the one that is held), and fire it again and again on the same tokens with the
// machine to itself. A sink writes files, to which the same frame cannot be added again: there it
// is one firing after the other that is held and timed. An encoder of video computes on when a
// firing is over, and holds frames back until it is closed: all that counts.

// full is the number of frames after which the bank of memories is full.
const full = 9

// Timing is the measurement of one stage.
type Timing struct {
	id     string
	frames int // in the firing
	times  []time.Duration
	cpu    time.Duration // of all cores together
	spread int           // frames that cpu was for
	active atomic.Int32  // other stages that are firing
	during func(bool)
	sync   func() error // waits for what firings have queued on the device
}

// watch returns a copy of the plan in which the stage t.id is measured, count times. done is called
// when the measurement is over.
func (t *Timing) watch(plan *graph.Plan, count int, done func()) *graph.Plan {
	return plan.Edit(func(n *graph.PlanNode) {
		switch {
		case n.Stage.Role == graph.Source:
		case n.ID != t.id:
			n.Stage = graph.Wrap(n.Stage, func(_ *graph.Env, inst *graph.Node) *graph.Node {
				return &graph.Node{Fire: t.counted(inst.Fire), Close: inst.Close}
			})
		case n.Stage.Role == graph.Sink:
			n.Stage = graph.Wrap(n.Stage, func(_ *graph.Env, inst *graph.Node) *graph.Node { return t.measureEach(inst, count, done) })
		default:
			release := n.Stage.Release
			n.Stage = graph.Wrap(n.Stage, func(_ *graph.Env, inst *graph.Node) *graph.Node {
				return &graph.Node{Fire: t.measure(inst.Fire, release, count, done), Close: inst.Close}
			})
		}
	})
}

// Stages lists the stages that can be measured: all but the source.
func Stages(plan *graph.Plan) (out []string) {
	for _, n := range plan.Nodes[1:] {
		out = append(out, n.ID)
	}
	return out
}

type fire = func(context.Context, []any) ([]any, error)

// Stage runs the plan until a stage has been timed so often. during may be nil; it is told when the
// firings that are timed begin and end.
func Stage(ctx context.Context, p *pipelines.Plan, id string, count int, during func(bool)) (*Timing, error) {
	drain := make(chan struct{})
	t := &Timing{id: id, sync: p.Model().Device.Sync, during: during}
	plan := t.watch(p.Graph, count, func() { close(drain) })
	if _, err := runtime.Run(ctx, plan, p.Env, runtime.Options{Drain: drain}); err != nil && !errors.Is(err, graph.ErrDrained) {
		return nil, err
	}
	if len(t.times) == 0 {
		return nil, t.tooShort()
	}
	return t, nil
}

// counted counts another stage's firings while they run.
func (t *Timing) counted(f fire) fire {
	return func(ctx context.Context, in []any) ([]any, error) {
		t.active.Add(1)
		defer t.active.Add(-1)
		return f(ctx, in)
	}
}

// measure times the first firing after the memory is full, count times.
func (t *Timing) measure(f fire, release func(any), count int, done func()) fire {
	seen := 0
	return func(ctx context.Context, in []any) ([]any, error) {
		if seen += len(in); seen <= full || t.times != nil {
			return f(ctx, in)
		}
		t.rest(ctx)
		if err := t.sync(); err != nil {
			return nil, err
		}
		t.frames = len(in)
		if t.during != nil {
			t.during(true)
		}
		before := processTime()
		for range count {
			start := time.Now()
			out, err := f(ctx, in)
			if err == nil {
				err = t.sync()
			}
			if err != nil {
				return nil, err
			}
			t.times = append(t.times, time.Since(start))
			for _, o := range out {
				release(o)
			}
		}
		t.cpu, t.spread = processTime()-before, count*len(in)
		if t.during != nil {
			t.during(false)
		}
		done()
		return f(ctx, in)
	}
}

// measureEach times a sink's firings after the memory is full, until there are count, and what it
// computes from its first frame to its end.
func (t *Timing) measureEach(inst *graph.Node, count int, done func()) *graph.Node {
	f, end := inst.Fire, inst.Close
	var node graph.Node
	node.Fire = func(ctx context.Context, in []any) ([]any, error) {
		t.rest(ctx)
		if err := t.sync(); err != nil {
			return nil, err
		}
		start, before := time.Now(), processTime()
		out, err := f(ctx, in)
		if err == nil {
			err = t.sync()
		}
		took := time.Since(start)
		t.idle(ctx)
		t.cpu += processTime() - before
		if t.spread += len(in); t.spread <= full || len(t.times) == count {
			return out, err
		}
		t.frames = len(in)
		if t.times = append(t.times, took); len(t.times) == count {
			done()
		}
		return out, err
	}
	node.Close = func(cause error) (err error) {
		before := processTime()
		if end != nil {
			err = end(cause)
		}
		t.cpu += processTime() - before
		return err
	}
	return &node
}

// idle waits until the process computes nothing, or hardly anything.
func (t *Timing) idle(ctx context.Context) {
	const step = 5 * time.Millisecond
	for last := processTime(); ctx.Err() == nil; {
		time.Sleep(step)
		now := processTime()
		if now-last < step/10 {
			return
		}
		last = now
	}
}

// rest waits until no other stage has been firing for a while.
func (t *Timing) rest(ctx context.Context) {
	for quiet := 0; quiet < 5 && ctx.Err() == nil; quiet++ {
		if t.active.Load() > 0 {
			quiet = 0
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// processTime returns what the process has computed so far, on all cores together.
func processTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Cost is what a frame takes, by the median.
func (t *Timing) Cost() analyze.Cost {
	times := slices.Sorted(slices.Values(t.times))
	return analyze.Cost{Seconds: times[len(times)/2].Seconds() / float64(t.frames), Compute: t.cpu.Seconds() / float64(t.spread)}
}

func (t *Timing) tooShort() error {
	return graph.Errorf(graph.BadData, "%s: the bank of memories fills in %d frames, and the input ended before: give more (--frames)", t.id, full)
}

// Frames is how many frames were timed.
func (t *Timing) Frames() int { return len(t.times) * t.frames }

// WriteGo writes lines that benchstat reads.
func (t *Timing) WriteGo(w io.Writer) error {
	for _, d := range t.times {
		if _, err := fmt.Fprintf(w, "BenchmarkStage/%s 1 %d ns/frame\n", t.id, d.Nanoseconds()/int64(t.frames)); err != nil {
			return err
		}
	}
	return nil
}

// at is a quantile of the time for a frame.
func (t *Timing) at(q float64) time.Duration {
	times := slices.Sorted(slices.Values(t.times))
	return times[int(q*float64(len(times)-1)+0.5)] / time.Duration(t.frames)
}

// MarshalJSON gives the median and the spread.
func (t *Timing) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"stage": t.id, "frames_per_firing": t.frames, "firings": len(t.times),
		"p50_ms": 1e3 * t.at(0.5).Seconds(), "p99_ms": 1e3 * t.at(0.99).Seconds(), "fps": 1 / t.at(0.5).Seconds()})
}

// String is the same for people.
func (t *Timing) String() string {
	return fmt.Sprintf("%s alone: %d firings of %d frames: p50 %.2f ms, p99 %.2f ms per frame, %.1f frames/s", t.id,
		len(t.times), t.frames, 1e3*t.at(0.5).Seconds(), 1e3*t.at(0.99).Seconds(), 1/t.at(0.5).Seconds())
}

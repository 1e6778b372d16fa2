package runtime

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/null"
)

// Random graphs under a virtual clock. Every stage hashes what it gets, so a token that is lost,
// doubled, late or out of order changes what the sinks see; a plain interpreter of the same graph,
// one frame after the other, says what they must see. A deadlock fails the bubble; the ledger
// counts device tokens; an ending is drawn for each graph. Device memory comes from arenas of the
// size that a dry run has measured: a stage that needed more would fail, one that kept some would
// be told at the end.

// anyIn and anyOut have ports of all sorts; a random subset is connected.
type anyIn struct {
	A *num `port:"a,optional"`
	B *num `port:"b,optional"`
	X *mem `port:"x,optional"`
	Y *mem `port:"y,optional"`
	P *mem `port:"p,optional,delay"`
	Q *num `port:"q,optional,delay"`
}

type anyOut struct {
	H *num `port:"h"`
	M *mem `port:"m"`
	S *mem `port:"s,state"`
}

// ending is how a random run ends.
type ending int

const (
	complete ending = iota
	fails
	panics
	cutShort
	cancelled
	drained
	openFails
	scarce // the device runs out of memory when it is asked for more than one frame at a time
	endings
)

// world is one random graph and what happens in it.
type world struct {
	builder
	seed         uint64
	frames       int
	batch, micro int
	end          ending
	victim       string // stage that fails
	at           int    // frame it fails at
	after        time.Duration
	ledger       *ledger
	opened       atomic.Int32
	shut         atomic.Int32
	causes       map[string]error
	seen         map[string]*[]int
	resumed      map[string]string
	state        map[string]bool // stages whose output m is on a delay edge
	splits       int             // times that a firing was refused for want of memory
	dry          bool            // the run is imagined: no time passes, nothing fails, every token is made
}

var errVictim = graph.Errorf(graph.BadData, "struck")

func newWorld(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 1))
	w := &world{seed: seed, frames: r.IntN(40), micro: 1 + r.IntN(4), end: ending(r.IntN(int(endings))), causes: map[string]error{}, resumed: map[string]string{}, seen: map[string]*[]int{}, state: map[string]bool{}}
	w.batch = w.micro * (1 + r.IntN(3))
	w.ledger = newLedger(w.batch)
	w.after = time.Duration(r.IntN(300)) * time.Millisecond
	w.at = r.IntN(max(w.frames, 1))

	w.add("src", w.source())
	inner := 1 + r.IntN(7)
	lease := -1
	if r.IntN(5) > 0 {
		lease = r.IntN(inner)
	} else {
		w.ledger.batch = 0
	}
	var ids []string
	for i := range inner {
		id := fmt.Sprint("n", i)
		w.add(id, w.flow(id, i == lease, lease < 0, r.IntN(2) == 0))
		ids = append(ids, id)
	}
	for i := range 1 + r.IntN(2) {
		id := fmt.Sprint("sink", i)
		w.add(id, w.sink(id))
		ids = append(ids, id)
	}
	for i, id := range ids { // ways from earlier stages, at least one
		before := append([]string{"src"}, ids[:min(i, inner)]...)
		pick := func() string { return before[max(r.IntN(len(before)), r.IntN(len(before)))] }
		w.link(pick()+".h", id+".a", 0)
		if r.IntN(2) == 0 {
			w.link(pick()+".h", id+".b", 0)
		}
		for _, port := range []string{".x", ".y"} {
			if i > 0 && i != lease && r.IntN(3) > 0 {
				w.link(ids[r.IntN(min(i, inner))]+[]string{".m", ".m", ".m", ".s"}[r.IntN(4)], id+port, 0)
			}
		}
	}
	for _, id := range ids { // delays from anywhere
		from := ids[r.IntN(inner)]
		switch r.IntN(6) {
		case 0:
			w.link(from+".s", id+".p", 1)
		case 1:
			w.link(from+".m", id+".p", 1)
			w.state[from] = true
		case 2:
			w.link(from+".h", id+".q", 1)
		}
	}
	w.victim = w.plan.Nodes[r.IntN(len(w.plan.Nodes))].ID
	w.done(w.micro)
	w.plan.Pipeline.Batch, w.plan.Pipeline.Micro = w.batch, w.micro
	if seed%2 == 0 { // the capacities that the graph package would choose
		for _, e := range w.plan.Edges {
			e.Capacity = 0
		}
		plan, err := analyze.Resolve(&w.plan, analyze.Sizing{})
		if err != nil {
			panic(err)
		}
		w.plan = *plan
	}
	w.reserve()
	return w
}

// reserve gives each stage an arena of what it needs by a dry run.
func (w *world) reserve() {
	w.dry = true
	env := environment(w.batch, w.micro)
	env.Device = null.New()
	footprints, err := analyze.Measure(&w.plan, analyze.Dry{Env: env})
	if err != nil {
		panic(fmt.Sprint("seed ", w.seed, ": ", err))
	}
	w.plan = *(&analyze.Bound{Footprints: footprints, Batch: w.batch}).Reserve(&w.plan)
	w.dry = false
	w.opened.Store(0)
	w.shut.Store(0)
	clear(w.causes)
	w.ledger = newLedger(w.ledger.batch)
}

// value is what a stage makes of its inputs.
func value(id string, frame int, in ...*num) int {
	h := fnv.New32a()
	fmt.Fprint(h, id, frame)
	for _, n := range in {
		if n == nil {
			fmt.Fprint(h, "-")
		} else {
			fmt.Fprint(h, n.frame, n.v)
		}
	}
	return int(h.Sum32())
}

func (m *mem) num0() *num {
	if m == nil {
		return nil
	}
	return &m.num
}

func (w *world) open(id string) (func(error) error, *rand.Rand, error) {
	if w.end == openFails && id == w.victim && !w.dry {
		return nil, nil, errVictim
	}
	w.opened.Add(1)
	return func(cause error) error {
		w.shut.Add(1)
		w.causes[id] = cause
		return nil
	}, rand.New(rand.NewPCG(w.seed, uint64(value(id, 0)))), nil
}

// work passes time, and fails if it is this stage's turn.
func (w *world) work(id string, frame int, r *rand.Rand) error {
	if w.dry {
		return nil
	}
	if r.IntN(3) > 0 {
		time.Sleep(time.Duration(r.IntN(10)) * time.Millisecond)
	}
	if id == w.victim && frame == w.at && w.end == fails {
		return errVictim
	}
	if id == w.victim && frame == w.at && w.end == panics {
		panic("struck")
	}
	return nil
}

func (w *world) source() *graph.Stage {
	type out struct {
		H *num `port:"h"`
	}
	imagine := func(_ *graph.Env, _ *none, _ graph.Probe, frames int) (all []*out, err error) {
		for i := range frames {
			all = append(all, &out{&num{i, i}})
		}
		return all, nil
	}
	return graph.WithImagine(graph.NewSource("source", "", func(*graph.Env, *none) (func(context.Context, func(*out) error) error, func(error) error, error) {
		closer, r, err := w.open("src")
		return func(ctx context.Context, emit func(*out) error) error {
			for i := range w.frames {
				if err := w.work("src", i, r); err != nil {
					return err
				}
				if w.end == cutShort && i == w.at {
					return graph.Errorf(graph.Incomplete, "cut")
				}
				if err := emit(&out{&num{i, value("src", i)}}); err != nil {
					return err
				}
			}
			return nil
		}, closer, err
	}), imagine)
}

// answer is a stage without time, failures and memory: what it would give, with or without device
// tokens.
func answer(id string, in *anyIn) (frame, v int, m, s bool) {
	frame = in.A.frame
	v = value(id, frame, in.A, in.B, in.X.num0(), in.Y.num0(), in.P.num0(), in.Q)
	return frame, v, v%7 != 0, v%5 != 0
}

func (w *world) flow(id string, lease, free, gather bool) *graph.Stage {
	size := func(what string) int { return 1 + value(id+what, 0)%1000 } // of device memory
	s := graph.NewGather("flow", "", func(env *graph.Env, _ *none) (func(context.Context, []*anyIn) ([]*anyOut, error), func(error) error, error) {
		closer, r, err := w.open(id)
		return func(ctx context.Context, ins []*anyIn) ([]*anyOut, error) {
			scope := kernels.NewScope(env.Device)
			defer scope.Close()
			for range ins {
				scope.New(kernels.U8, size("temporary"))
			}
			result := func(port string) *kernels.Tensor {
				t := scope.Result(kernels.U8, size(port))
				scope.Keep(t)
				return t
			}
			if w.end == scarce && id == w.victim && len(ins) > 1 && ins[len(ins)-1].A.frame >= w.at && !w.dry {
				w.splits++
				return nil, fmt.Errorf("half way: %w", &kernels.OutOfMemoryError{Device: "test", Asked: 1})
			}
			for _, in := range ins {
				for _, m := range []*mem{in.X, in.Y, in.P} {
					w.ledger.used(m)
				}
				if err := w.work(id, in.A.frame, r); err != nil {
					return nil, err
				}
			}
			outs := make([]*anyOut, len(ins))
			for i, in := range ins {
				outs[i] = &anyOut{}
				frame, v, m, s := answer(id, in)
				outs[i].H = &num{frame, v}
				if s || w.dry {
					outs[i].S = w.ledger.alloc(num{frame, v}, false).with(env.Device, result("s"))
				}
				if (m || w.dry) && w.may(id, lease || free, in) {
					outs[i].M = w.ledger.alloc(num{frame, v}, !free && !w.state[id]).with(env.Device, result("m"))
				}
			}
			return outs, scope.Err()
		}, closer, err
	})
	s.Gather = gather
	if lease {
		s.WithLease()
	}
	return s
}

// may reports whether a stage may make a device token: its frame has a lease, or it needs none.
func (w *world) may(id string, always bool, in *anyIn) bool {
	return always || w.state[id] || in.X != nil && in.X.leased || in.Y != nil && in.Y.leased
}

func (w *world) sink(id string) *graph.Stage {
	seen := new([]int)
	w.seen[id] = seen
	return graph.NewSink("sink", "", func(env *graph.Env, _ *none) (func(context.Context, *anyIn) error, func(error) error, error) {
		closer, r, err := w.open(id)
		env.Save = func() ([]byte, error) { return fmt.Append(nil, len(*seen)), nil }
		w.resumed[id] = string(env.Resume)
		return func(ctx context.Context, in *anyIn) error {
			for _, m := range []*mem{in.X, in.Y, in.P} {
				w.ledger.used(m)
			}
			if err := w.work(id, in.A.frame, r); err != nil {
				return err
			}
			_, v, _, _ := answer(id, in)
			*seen = append(*seen, v)
			return nil
		}, closer, err
	})
}

// interpret says what the sinks must see, running the graph frame by frame.
func (w *world) interpret() map[string][]int {
	want := map[string][]int{}
	last := map[*graph.PlanNode]*anyOut{}
	for t := range w.frames {
		now := map[*graph.PlanNode]*anyOut{w.plan.Nodes[0]: {H: &num{t, value("src", t)}}}
		for _, n := range w.plan.Nodes[1:] {
			in := &anyIn{}
			for _, e := range n.In {
				if e == nil {
					continue
				}
				from := now[e.From]
				if e.Delay > 0 {
					from = last[e.From]
				}
				if from != nil {
					reflect.ValueOf(in).Elem().Field(e.ToPort).Set(reflect.ValueOf(from).Elem().Field(e.FromPort))
				}
			}
			frame, v, m, s := answer(n.ID, in)
			if n.Stage.Role == graph.Sink {
				want[n.ID] = append(want[n.ID], v)
				continue
			}
			now[n] = &anyOut{H: &num{frame, v}}
			leased := w.ledger.batch > 0
			if m && w.may(n.ID, !leased || n.Stage.Lease, in) {
				now[n].M = &mem{num: num{frame, v}, leased: leased && !w.state[n.ID]}
			}
			if s {
				now[n].S = &mem{num: num{frame, v}}
			}
		}
		for k, v := range now {
			last[k] = v
		}
	}
	return want
}

func (w *world) run(t *testing.T) *Report {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	drain := make(chan struct{})
	cause := errors.New("enough")
	switch w.end {
	case cancelled:
		time.AfterFunc(w.after, func() { cancel(cause) })
	case drained:
		time.AfterFunc(w.after, func() { close(drain) })
	}
	live := 0
	env, dev := environment(w.batch, w.micro), null.New()
	env.Device = dev
	rep, err := Run(ctx, &w.plan, env, Options{Drain: drain, watch: func(n int) { live = n }})
	for _, s := range rep.Stages {
		if s.PeakResident > s.Bound {
			t.Errorf("%s: %d bytes of the planned %d", s.ID, s.PeakResident, s.Bound)
		}
	}
	if err := dev.Close(); err != nil {
		t.Error(err)
	}

	want := w.interpret()
	count := w.frames
	for id, v := range want {
		if got := *w.seen[id]; !slices.Equal(got, v[:min(len(got), len(v))]) {
			t.Errorf("%s saw %v, want the beginning of %v", id, got, v)
		}
		count = min(count, len(*w.seen[id]))
	}
	if rep.Frames != count {
		t.Errorf("report says %d frames, the slowest sink saw %d", rep.Frames, count)
	}
	struck := w.frames > 0 && (w.end == fails || w.end == panics) || w.end == openFails
	whole := false // all frames that the source gave reached all sinks
	switch {
	case struck:
		if err == nil || !strings.HasPrefix(err.Error(), w.victim+": ") || w.end != panics && graph.KindOf(err) != graph.BadData {
			t.Errorf("error %v does not blame %s", err, w.victim)
		}
	case w.end == cutShort && w.frames > 0:
		if graph.KindOf(err) != graph.Incomplete {
			t.Errorf("error %v, want an incomplete stream", err)
		}
		whole, count = true, w.at
	case w.end == cancelled && err != nil:
		if !errors.Is(err, cause) {
			t.Errorf("error %v, want the cancellation's cause", err)
		}
	case w.end == drained && err != nil:
		if !errors.Is(err, graph.ErrDrained) {
			t.Errorf("error %v, want drained", err)
		}
		whole = true
	default:
		if err != nil {
			t.Error(err)
		}
		whole, count = true, w.frames
	}
	if whole {
		for id := range want {
			if len(*w.seen[id]) != count {
				t.Errorf("%s saw %d frames of %d", id, len(*w.seen[id]), count)
			}
		}
	}
	for id, c := range w.causes {
		switch {
		case err == nil || graph.KindOf(err) == graph.Incomplete:
			if c != nil {
				t.Errorf("%s closed with %v, all frames had passed", id, c)
			}
		case !errors.Is(err, c) || c == nil:
			t.Errorf("%s closed with %v, the run ended with %v", id, c, err)
		}
	}
	if o, s := w.opened.Load(), w.shut.Load(); o != s || int(s) != len(w.causes) {
		t.Errorf("%d stages opened, %d closings of %d stages", o, s, len(w.causes))
	}
	if live != 0 || rep.PeakResident > w.batch || rep.PeakResident < w.ledger.peak && w.ledger.batch > 0 {
		t.Errorf("%d leases out, at most %d of %d, device tokens of %d frames", live, rep.PeakResident, w.batch, w.ledger.peak)
	}
	for _, s := range rep.Stages {
		if sum := s.Busy + s.Starved + s.Blocked + s.Leasing; sum != s.Wall || s.Wall > rep.Wall {
			t.Errorf("%s: %v in states, wall %v of %v", s.ID, sum, s.Wall, rep.Wall)
		}
	}
	w.ledger.settled(t)
	return rep
}

func TestRandomGraphsKeepEveryPromise(t *testing.T) {
	var ends [endings]int
	peaks, splits := 0, 0
	full, arenas := 0, 0
	graphs := 1000
	if testing.Short() {
		graphs = 150
		t.Log("150 graphs instead of 1000")
	}
	for seed := range uint64(graphs) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(seed)
			for _, s := range w.run(t).Stages {
				if s.Bound > 0 && w.end == complete && w.frames > 20 {
					arenas++
					if s.PeakResident >= s.Bound*9/10 {
						full++
					}
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
			ends[w.end]++
			splits += w.splits
			if w.ledger.batch > 0 && w.ledger.peak == w.batch {
				peaks++
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if slices.Min(ends[:]) == 0 || peaks < graphs/10 || splits < graphs/100 {
		t.Errorf("the graphs are too tame: endings %v, %d reach their batch, %d firings are split", ends, peaks, splits)
	}
	t.Logf("%d of %d arenas were nine tenths full at some time", full, arenas)
}

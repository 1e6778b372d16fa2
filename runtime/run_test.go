package runtime

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
)

// chain is count -> double -> double2 -> collect, with one stage failing at a frame.
func chain(frames int, end error, victim string, at int, err error, got *[]int) *graph.Plan {
	failAt := func(id string) int {
		if id == victim {
			return at
		}
		return -1
	}
	b := &builder{}
	b.add("count", counter(frames, end))
	b.add("double", double(failAt("double"), err))
	b.add("double2", double(failAt("double2"), err))
	b.add("collect", sink(func(in *numIn) error {
		if in.N.frame == failAt("collect") {
			return err
		}
		*got = append(*got, in.N.v)
		return nil
	}, nil))
	b.link("count.n", "double.n", 0)
	b.link("double.n", "double2.n", 0)
	b.link("double2.n", "collect.n", 0)
	return b.done(1)
}

func upTo(n, factor int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i * factor
	}
	return out
}

func TestFramesPassInOrder(t *testing.T) {
	var got []int
	rep, err := Run(t.Context(), chain(1000, nil, "", 0, nil, &got), environment(1, 1), Options{})
	if err != nil || !slices.Equal(got, upTo(1000, 4)) || rep.Frames != 1000 {
		t.Errorf("%d of %d frames, in order: %v; error %v", len(got), rep.Frames, slices.IsSorted(got), err)
	}
}

func TestNoFramesIsAStreamToo(t *testing.T) {
	var got []int
	if rep, err := Run(t.Context(), chain(0, nil, "", 0, nil, &got), environment(1, 1), Options{}); err != nil || rep.Frames != 0 {
		t.Errorf("%d frames, error %v", rep.Frames, err)
	}
}

// twoIn joins, in order of the ports.
type twoIn struct {
	A *num `port:"a,optional"`
	B *num `port:"b,optional"`
}

func TestJoinMatchesFramesOfUnequalWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &builder{}
		b.add("count", counter(50, nil))
		b.add("slow", stage(func(in *numIn) (*numOut, error) {
			time.Sleep(time.Duration(in.N.frame%7) * time.Millisecond)
			return &numOut{&num{in.N.frame, -in.N.v}}, nil
		}))
		frames := 0
		b.add("join", sink(func(in *twoIn) error {
			if in.A.frame != frames || in.B.frame != frames || in.A.v+in.B.v != 0 {
				t.Errorf("frame %d got %v and %v", frames, *in.A, *in.B)
			}
			frames++
			return nil
		}, nil))
		b.link("count.n", "slow.n", 0)
		b.link("count.n", "join.a", 0)
		b.link("slow.n", "join.b", 0)
		if _, err := Run(t.Context(), b.done(1), environment(1, 1), Options{}); err != nil || frames != 50 {
			t.Errorf("%d frames, error %v", frames, err)
		}
	})
}

func TestDelayEdgeCarriesTheFrameBefore(t *testing.T) {
	b := &builder{}
	b.add("count", counter(10, nil))
	b.add("sum", stage(func(in *struct {
		N    *num `port:"n"`
		Last *num `port:"last,delay"`
	}) (*numOut, error) {
		if in.Last == nil {
			if in.N.frame != 0 {
				return nil, errors.New("no state")
			}
			return &numOut{in.N}, nil
		}
		if in.Last.frame != in.N.frame-1 {
			return nil, fmt.Errorf("state of frame %d", in.Last.frame)
		}
		return &numOut{&num{in.N.frame, in.N.v + in.Last.v}}, nil
	}))
	var got []int
	b.add("collect", collect(&got))
	b.link("count.n", "sum.n", 0)
	b.link("sum.n", "sum.last", 1)
	b.link("sum.n", "collect.n", 0)
	if _, err := Run(t.Context(), b.done(1), environment(1, 1), Options{}); err != nil {
		t.Error(err)
	}
	if want := []int{0, 1, 3, 6, 10, 15, 21, 28, 36, 45}; !slices.Equal(got, want) {
		t.Errorf("sums %v, want %v", got, want)
	}
}

func TestOpenInputKeepsItsZeroValue(t *testing.T) {
	b := &builder{}
	b.add("count", counter(3, nil))
	b.add("join", sink(func(in *twoIn) error {
		if in.A == nil || in.B != nil {
			return fmt.Errorf("got %v and %v", in.A, in.B)
		}
		return nil
	}, nil))
	b.link("count.n", "join.a", 0)
	if _, err := Run(t.Context(), b.done(1), environment(1, 1), Options{}); err != nil {
		t.Error(err)
	}
}

// gather doubles, and notes how many frames each firing had.
func gather(sizes *[]int) *graph.Stage {
	return graph.NewGather("gather", "", func(*graph.Env, *none) (func(context.Context, []*numIn) ([]*numOut, error), func(error) error, error) {
		return func(_ context.Context, in []*numIn) ([]*numOut, error) {
			*sizes = append(*sizes, len(in))
			out := make([]*numOut, len(in))
			for i := range in {
				out[i] = &numOut{&num{in[i].N.frame, 2 * in[i].N.v}}
			}
			return out, nil
		}, nil, nil
	})
}

func TestGatherFiresOnMicroFramesAndOnTheRest(t *testing.T) {
	for _, c := range []struct {
		frames, micro int
		want          []int
	}{{10, 4, []int{4, 4, 2}}, {8, 4, []int{4, 4}}, {3, 4, []int{3}}, {3, 1, []int{1, 1, 1}}, {0, 4, nil}} {
		var sizes, got []int
		b := &builder{}
		b.add("count", counter(c.frames, nil))
		b.add("gather", gather(&sizes))
		b.add("collect", collect(&got))
		b.link("count.n", "gather.n", 0)
		b.link("gather.n", "collect.n", 0)
		rep, err := Run(t.Context(), b.done(c.micro), environment(c.micro, c.micro), Options{})
		if err != nil || !slices.Equal(sizes, c.want) || !slices.Equal(got, upTo(c.frames, 2)) {
			t.Errorf("%d frames by %d: firings of %v, values %v, error %v", c.frames, c.micro, sizes, got, err)
		}
		if s := rep.Stages[1]; s.Frames != c.frames || s.Firings != len(c.want) {
			t.Errorf("%d frames by %d: report says %d in %d firings", c.frames, c.micro, s.Frames, s.Firings)
		}
	}
}

func TestGatherInACycleFiresOnOneFrame(t *testing.T) {
	var sizes []int
	b := &builder{}
	b.add("count", counter(5, nil))
	b.add("join", stage(func(in *struct {
		N    *num `port:"n"`
		Last *num `port:"last,delay"`
	}) (*numOut, error) {
		return &numOut{in.N}, nil
	}))
	b.add("gather", gather(&sizes))
	b.link("count.n", "join.n", 0)
	b.link("join.n", "gather.n", 0)
	b.link("gather.n", "join.last", 1)
	if _, err := Run(t.Context(), b.done(4), environment(4, 4), Options{}); err != nil || !slices.Equal(sizes, []int{1, 1, 1, 1, 1}) {
		t.Errorf("firings of %v, error %v", sizes, err)
	}
}

func TestErrorNamesStageAndFrameAndKeepsItsKind(t *testing.T) {
	for _, victim := range []string{"double", "double2", "collect"} {
		var got []int
		_, err := Run(t.Context(), chain(100, nil, victim, 50, graph.Errorf(graph.BadOutput, "disk full"), &got), environment(1, 1), Options{})
		if err == nil || err.Error() != victim+": frame 50: disk full" || graph.KindOf(err) != graph.BadOutput {
			t.Errorf("%s fails: error %v of kind %d", victim, err, graph.KindOf(err))
		}
		if len(got) > 50 {
			t.Errorf("%s fails at frame 50, the sink saw %d frames", victim, len(got))
		}
	}
	var got []int
	_, err := Run(t.Context(), chain(100, graph.Errorf(graph.BadData, "no picture"), "", 0, nil, &got), environment(1, 1), Options{})
	if err == nil || err.Error() != "count: no picture" || graph.KindOf(err) != graph.BadData {
		t.Errorf("source fails: error %v of kind %d", err, graph.KindOf(err))
	}
}

func TestPanicIsAnErrorOfItsStage(t *testing.T) {
	var got []int
	var log strings.Builder
	env := environment(1, 1)
	env.Log = env.Log.Output(&log)
	_, err := Run(t.Context(), chain(100, nil, "double2", 7, nil, &got), env, Options{})
	if err == nil || err.Error() != "double2: frame 7: panic: broken" {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(log.String(), "helpers_test.go") || !strings.Contains(log.String(), `"stage":"double2"`) {
		t.Errorf("the log lacks the stage or the stack: %s", log.String())
	}
}

func TestIncompleteStreamEndsWell(t *testing.T) {
	var got []int
	_, err := Run(t.Context(), chain(12, graph.Errorf(graph.Incomplete, "the file is cut"), "", 0, nil, &got), environment(1, 1), Options{})
	if err == nil || err.Error() != "count: the file is cut" || graph.KindOf(err) != graph.Incomplete {
		t.Errorf("error %v", err)
	}
	if !slices.Equal(got, upTo(12, 4)) {
		t.Errorf("frames %v", got)
	}
}

// life notes how a stage was opened and closed.
type life struct {
	log []string
}

func (l *life) stage(id string, openErr, closeErr error) *graph.Stage {
	return graph.NewSink("life", "", func(env *graph.Env, _ *none) (func(context.Context, *numIn) error, func(error) error, error) {
		if openErr != nil {
			return nil, nil, openErr
		}
		l.log = append(l.log, "open "+env.Stage)
		return func(_ context.Context, in *numIn) error { return nil },
			func(cause error) error {
				l.log = append(l.log, fmt.Sprintf("close %s: %v", env.Stage, cause))
				return closeErr
			}, nil
	})
}

func TestStagesAreClosedOnceWithTheCause(t *testing.T) {
	for _, c := range []struct {
		name, want, err   string
		source, open, end error
	}{
		{name: "all frames pass", want: "open a; open b; close b: <nil>; close a: <nil>"},
		{name: "open fails", open: errors.New("no room"), err: "b: no room", want: "open a; close a: b: no room"},
		{name: "source fails", source: errors.New("gone"), err: "count: gone", want: "open a; open b; close b: count: gone; close a: count: gone"},
		{name: "close fails", end: errors.New("no trailer"), err: "b: close: no trailer", want: "open a; open b; close b: <nil>; close a: <nil>"},
		{name: "both fail", source: errors.New("gone"), end: errors.New("no trailer"), err: "count: gone\nb: close: no trailer",
			want: "open a; open b; close b: count: gone; close a: count: gone"},
	} {
		l := &life{}
		b := &builder{}
		b.add("count", counter(3, c.source))
		b.add("a", l.stage("a", nil, nil))
		b.add("b", l.stage("b", c.open, c.end))
		b.link("count.n", "a.n", 0)
		b.link("count.n", "b.n", 0)
		_, err := Run(t.Context(), b.done(1), environment(1, 1), Options{})
		if got := strings.Join(l.log, "; "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if err == nil && c.err != "" || err != nil && err.Error() != c.err {
			t.Errorf("%s: error %v, want %s", c.name, err, c.err)
		}
	}
}

func TestCancellationEndsARunThatIsStuckEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &builder{}
		b.add("count", counter(1000, nil))
		b.add("double", double(-1, nil))
		var cause error
		b.add("stuck", graph.NewSink("sink", "", func(*graph.Env, *none) (func(context.Context, *numIn) error, func(error) error, error) {
			return func(ctx context.Context, in *numIn) error {
				<-ctx.Done()
				return ctx.Err()
			}, func(c error) error { cause = c; return nil }, nil
		}))
		b.link("count.n", "double.n", 0)
		b.link("double.n", "stuck.n", 0)
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(enough) })
		_, err := Run(ctx, b.done(1), environment(1, 1), Options{})
		if err != enough || cause != enough {
			t.Errorf("error %v, closed with %v", err, cause)
		}
	})
}

func TestDrainFinishesTheFramesInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drain := make(chan struct{})
		time.AfterFunc(105*time.Millisecond, func() { close(drain) })
		b := &builder{}
		emitted, finished := 0, 0
		var cause error
		b.add("tick", graph.NewSource("tick", "", func(*graph.Env, *none) (func(context.Context, func(*numOut) error) error, func(error) error, error) {
			return func(_ context.Context, emit func(*numOut) error) error {
				for {
					if err := emit(&numOut{&num{emitted, 0}}); err != nil {
						return fmt.Errorf("reading: %w", err)
					}
					emitted++
				}
			}, nil, nil
		}))
		b.add("slow", sink(func(in *numIn) error {
			time.Sleep(10 * time.Millisecond)
			finished++
			return nil
		}, func(c error) error { cause = c; return nil }))
		b.link("tick.n", "slow.n", 0)
		_, err := Run(t.Context(), b.done(4), environment(4, 4), Options{Drain: drain})
		if !errors.Is(err, graph.ErrDrained) || cause != graph.ErrDrained {
			t.Errorf("error %v, closed with %v", err, cause)
		}
		if emitted != finished || emitted < 10 || emitted > 20 {
			t.Errorf("%d frames emitted, %d finished", emitted, finished)
		}
	})
}

func TestPlansThatCannotRunAreRefused(t *testing.T) {
	upload := func() *graph.Stage { return double(-1, nil).WithLease() }
	two := &builder{}
	two.add("count", counter(1, nil))
	two.add("one", upload())
	two.add("two", upload())
	two.link("count.n", "one.n", 0)
	two.link("one.n", "two.n", 0)
	late := &builder{}
	late.add("count", counter(1, nil))
	late.add("double", double(-1, nil))
	late.link("double.n", "double.n", 1)
	big := &builder{}
	big.add("count", counter(1, nil))
	big.add("one", upload())
	big.link("count.n", "one.n", 0)
	for _, c := range []struct {
		b    *builder
		want string
	}{
		{two, "two: leases are already taken by one, a frame has only one"},
		{late, "double: no input brings the current frame"},
		{big, "a micro-batch of 4 frames does not fit into a batch of 2"},
	} {
		_, err := Run(t.Context(), c.b.done(1), environment(2, 4), Options{})
		if err == nil || err.Error() != c.want || graph.KindOf(err) != graph.BadConfig {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

func TestStageThatBreaksItsContractIsNamed(t *testing.T) {
	answer := func(out ...any) *graph.Stage {
		s := double(-1, nil)
		s.Open = func(*graph.Env, any) (*graph.Node, error) {
			return &graph.Node{Fire: func(context.Context, []any) ([]any, error) { return out, nil }}, nil
		}
		return s
	}
	empty := double(-1, nil)
	empty.Open = func(*graph.Env, any) (*graph.Node, error) { return &graph.Node{}, nil }
	for _, c := range []struct {
		stage *graph.Stage
		want  string
	}{
		{answer(), "bad: frame 0: 0 outputs for 1 frames"},
		{answer(nil), `bad: frame 0: stage "flow" answered <nil>, not *runtime.numOut`},
		{answer((*numOut)(nil)), `bad: frame 0: stage "flow" answered *runtime.numOut, not *runtime.numOut`},
		{answer(&numIn{}), `bad: frame 0: stage "flow" answered *runtime.numIn, not *runtime.numOut`},
		{empty, `bad: stage "flow" opened without what a flow needs`},
	} {
		b := &builder{}
		b.add("count", counter(5, nil))
		b.add("bad", c.stage)
		b.link("count.n", "bad.n", 0)
		if _, err := Run(t.Context(), b.done(1), environment(1, 1), Options{}); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

func TestStageThatEndsItsGoroutineIsAnError(t *testing.T) {
	b := &builder{}
	b.add("count", counter(5, nil))
	b.add("quits", sink(func(in *numIn) error {
		if in.N.frame == 2 {
			goruntime.Goexit()
		}
		return nil
	}, nil))
	b.link("count.n", "quits.n", 0)
	if _, err := Run(t.Context(), b.done(1), environment(1, 1), Options{}); err == nil || err.Error() != "quits: frame 2: the stage ended its goroutine" {
		t.Errorf("error %v", err)
	}
}

func TestPanicOfASourceNamesTheFrame(t *testing.T) {
	b := &builder{}
	b.add("count", graph.NewSource("count", "", counterOf(5, func(i int) *numOut {
		if i == 3 {
			panic("broken")
		}
		return &numOut{&num{i, i}}
	})))
	if _, err := Run(t.Context(), b.done(1), environment(1, 1), Options{}); err == nil || err.Error() != "count: frame 3: panic: broken" {
		t.Errorf("error %v", err)
	}
}

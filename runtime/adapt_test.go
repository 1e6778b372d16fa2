package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Components of go-streams, as they are, inside plans.

// items is a source of the library that gives a list.
func items(list ...any) *graph.Stage {
	return FromSource[none, int]("items", "", "n", func(ctx context.Context, _ *none) (streams.Source, error) {
		c := make(chan any)
		go func() {
			defer close(c)
			for _, v := range list {
				if send(ctx, c, v) != nil {
					return
				}
			}
		}()
		return extension.NewChanSource(c), nil
	})
}

func mapping[T, R any](f func(T) R) *graph.Stage {
	return FromFlow[none, T, R]("map", "", "in", "out", func(*none) streams.Flow { return flow.NewMap(f, 1) })
}

type closer struct{ io.Writer }

func (closer) Close() error { return nil }

// printed is a sink of the library that writes strings.
func printed(w io.Writer) *graph.Stage {
	return FromSink[none, string]("print", "", "s", func(ctx context.Context, fail context.CancelFunc, _ *none) (streams.Sink, error) {
		return extension.NewWriterSink(closer{w}, extension.WithContext(ctx), extension.WithContextCancel(fail), extension.WithLogger(slog.New(slog.DiscardHandler)))
	})
}

func library(src, mid *graph.Stage, w io.Writer) *graph.Plan {
	b := &builder{}
	b.add("items", src)
	b.add("text", mid)
	b.add("print", printed(w))
	b.link("items.n", "text.in", 0)
	b.link("text.out", "print.s", 0)
	return b.done(1)
}

func TestUnmodifiedComponentsOfTheLibraryRunInAPlan(t *testing.T) {
	var out bytes.Buffer
	rep, err := Run(t.Context(), library(items(1, 2, 3), mapping(func(n int) string { return fmt.Sprint(n*n, ";") }), &out), environment(1, 1), Options{})
	if err != nil || out.String() != "1;4;9;" || rep.Frames != 3 {
		t.Errorf("%d frames, wrote %q, error %v", rep.Frames, &out, err)
	}
}

func TestReaderSourceOfTheLibraryRunsInAPlan(t *testing.T) {
	lines := FromSource[none, []byte]("lines", "", "n", func(context.Context, *none) (streams.Source, error) {
		return extension.NewReaderSource(io.NopCloser(strings.NewReader("a\nb\n")), func(r io.Reader) ([]byte, error) {
			var s [2]byte
			n, err := io.ReadFull(r, s[:])
			return s[:n/2], err
		}, extension.WithLogger(slog.New(slog.DiscardHandler)))
	})
	var out bytes.Buffer
	_, err := Run(t.Context(), library(lines, mapping(func(b []byte) string { return strings.ToUpper(string(b)) }), &out), environment(1, 1), Options{})
	if err != nil || out.String() != "AB" {
		t.Errorf("wrote %q, error %v", &out, err)
	}
}

func TestWrongItemsAreErrorsOfTheirStage(t *testing.T) {
	text := func(n int) string { return fmt.Sprint(n) }
	for _, c := range []struct {
		src, mid *graph.Stage
		want     string
	}{
		{items(1, "two"), mapping(text), `items: frame 1: the source gave string, output "n" carries int`},
		{items(1, 2), FromFlow[none, int, string]("pass", "", "in", "out", func(*none) streams.Flow { return flow.NewPassThrough() }),
			`text: frame 0: *flow.PassThrough gave int, the output carries string`},
		{items(1, 2), FromFlow[none, int, string]("map", "", "in", "out", func(*none) streams.Flow {
			return flow.NewMap(func(s string) string { return s }, 1)
		}), `text: *flow.Map[string,string] takes string, input "in" carries int`},
	} {
		var out bytes.Buffer
		_, err := Run(t.Context(), library(c.src, c.mid, &out), environment(1, 1), Options{})
		if err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

func TestFlowThatIsNotOneToOneIsAnErrorNotAHang(t *testing.T) {
	odd := func(n int) bool { return n%2 == 1 }
	for _, c := range []struct {
		name string
		open func(*none) streams.Flow
		want string
	}{
		{"filter", func(*none) streams.Flow { return flow.NewFilter(odd, 1) },
			"text: frame 1: *flow.Filter[int] gave nothing for this frame: a flow in a plan answers one to one"},
		{"flat map", func(*none) streams.Flow { return flow.NewFlatMap(func(n int) []int { return make([]int, n) }, 1) },
			"text: frame 1: *flow.FlatMap[int,int] gave more than one item for this frame: a flow in a plan answers one to one"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := &builder{}
			b.add("items", items(1, 2, 3, 4))
			b.add("text", FromFlow[none, int, int]("flow", "", "in", "out", c.open))
			b.link("items.n", "text.in", 0)
			if _, err := Run(t.Context(), b.done(1), environment(1, 1), Options{}); err == nil || err.Error() != c.want {
				t.Errorf("%s: error %v, want %s", c.name, err, c.want)
			}
		})
	}
}

func TestSlowFlowOfTheLibraryIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		slow := mapping(func(n int) string { time.Sleep(time.Hour); return fmt.Sprint(n) })
		if _, err := Run(t.Context(), library(items(1, 2, 3), slow, &out), environment(1, 1), Options{}); err != nil || out.String() != "123" {
			t.Errorf("wrote %q, error %v", &out, err)
		}
	})
}

func TestSinkOfTheLibraryThatGivesUpFailsTheRun(t *testing.T) {
	for _, frames := range []int{1, 100} {
		list := make([]any, frames)
		for i := range list {
			list[i] = i
		}
		plan := library(items(list...), mapping(func(n int) string { return "x" }), full{})
		_, err := Run(t.Context(), plan, environment(1, 1), Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "print: ") || !strings.HasSuffix(err.Error(), "*extension.WriterSink has given up") {
			t.Errorf("%d frames: error %v", frames, err)
		}
	}
}

// stuckSink is a sink that stops reading, and finishes only with its context.
type stuckSink struct {
	in  chan any
	ctx context.Context
}

func (s stuckSink) In() chan<- any   { return s.in }
func (s stuckSink) AwaitCompletion() { <-s.ctx.Done() }

func TestStuckSinkOfTheLibraryDoesNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &builder{}
		b.add("items", items(1, 2, 3))
		b.add("stuck", FromSink[none, int]("stuck", "", "n", func(ctx context.Context, _ context.CancelFunc, _ *none) (streams.Sink, error) {
			return stuckSink{make(chan any), ctx}, nil
		}))
		b.link("items.n", "stuck.n", 0)
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(enough) })
		_, err := Run(ctx, b.done(1), environment(1, 1), Options{})
		if !errors.Is(err, enough) || !strings.Contains(err.Error(), "stuck: close: runtime.stuckSink did not finish within 5s") {
			t.Errorf("error %v", err)
		}
	})
}

func TestSinkOfTheLibraryGetsNoDeviceMemory(t *testing.T) {
	b := &builder{}
	b.add("gpu", graph.NewSource("gpu", "", counterOf(1, func(int) *memOut { return &memOut{} })))
	b.add("out", FromSink[none, *mem]("out", "", "m", func(context.Context, context.CancelFunc, *none) (streams.Sink, error) {
		return extension.NewIgnoreSink(), nil
	}))
	b.link("gpu.m", "out.m", 0)
	if _, err := Run(t.Context(), b.done(1), environment(1, 1), Options{}); graph.KindOf(err) != graph.BadConfig {
		t.Errorf("error %v", err)
	}
}

// solo is a node with a run of its own, for wiring by hand.
func solo(t *testing.T, s *graph.Stage) (inlet, *run) {
	b := &builder{}
	p := b.add("node", s)
	r := &run{env: environment(1, 1), micro: 1, pool: newPool(1)}
	r.ctx, r.cancel = context.WithCancelCause(t.Context())
	e := &graph.Edge{To: p, Capacity: 1}
	p.In[0] = e
	if err := r.open(&b.plan); err != nil {
		t.Fatal(err)
	}
	return inlet{r.nodes[0], 0}, r
}

func TestNodeIsAFlowOfTheLibrary(t *testing.T) {
	s := flow1(func(n int) int { return n * n })
	node, r := solo(t, s)
	from := make(chan any)
	go func() {
		defer close(from)
		for i := range 5 {
			from <- i
		}
	}()
	to := make(chan any, 10)
	last := extension.NewChanSource(from).Via(node)
	after := last.Via(flow.NewMap(func(n int) string { return fmt.Sprint(n) }, 1))
	go node.main()
	after.To(extension.NewChanSink(to))
	node.AwaitCompletion()
	var got []any
	for v := range to {
		got = append(got, v)
	}
	if fmt.Sprint(got) != "[0 1 4 9 16]" || r.failed.Load() {
		t.Errorf("got %v, failed: %v", got, context.Cause(r.ctx))
	}
}

func TestNodeRefusesWrongItemsOfTheLibrary(t *testing.T) {
	node, r := solo(t, flow1(func(n int) int { return n }))
	from := make(chan any, 2)
	from <- 1
	from <- "two"
	close(from)
	to := make(chan any, 10)
	last := extension.NewChanSource(from).Via(node).Via(flow.NewPassThrough())
	go node.main()
	last.To(extension.NewChanSink(to))
	node.AwaitCompletion()
	if err := context.Cause(r.ctx); err == nil || err.Error() != `node: frame 1: got string, input "in" carries int` {
		t.Errorf("error %v", err)
	}
}

// flow1 is a stage on bare integers.
func flow1(f func(int) int) *graph.Stage {
	type in struct {
		V int `port:"in"`
	}
	type out struct {
		V int `port:"out"`
	}
	return stage(func(i *in) (*out, error) { return &out{f(i.V)}, nil })
}

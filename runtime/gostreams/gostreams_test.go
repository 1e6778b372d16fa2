package gostreams

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/runtime"
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
	return chain("items", src, "text", mid, "print", printed(w))
}

// chain is a plan of stages with one port each, one behind the other: name, stage, name, stage.
func chain(list ...any) *graph.Plan {
	var nodes []*graph.PlanNode
	var edges []*graph.Edge
	for i := 0; i < len(list); i += 2 {
		s := list[i+1].(*graph.Stage)
		n := &graph.PlanNode{ID: list[i].(string), Stage: s, Options: reflect.New(s.Options).Interface(), In: make([]*graph.Edge, len(s.In))}
		if i > 0 {
			n.In[0] = &graph.Edge{From: nodes[i/2-1], To: n, Capacity: 1}
			edges = append(edges, n.In[0])
		}
		nodes = append(nodes, n)
	}
	p := &graph.Plan{}
	p.Join(nodes, edges)
	return p
}

type none struct{}

func TestUnmodifiedComponentsOfTheLibraryRunInAPlan(t *testing.T) {
	var out bytes.Buffer
	rep, err := runtime.Run(t.Context(), library(items(1, 2, 3), mapping(func(n int) string { return fmt.Sprint(n*n, ";") }), &out), &graph.Env{}, runtime.Options{})
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
	_, err := runtime.Run(t.Context(), library(lines, mapping(func(b []byte) string { return strings.ToUpper(string(b)) }), &out), &graph.Env{}, runtime.Options{})
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
		_, err := runtime.Run(t.Context(), library(c.src, c.mid, &out), &graph.Env{}, runtime.Options{})
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
			plan := chain("items", items(1, 2, 3, 4), "text", FromFlow[none, int, int]("flow", "", "in", "out", c.open))
			if _, err := runtime.Run(t.Context(), plan, &graph.Env{}, runtime.Options{}); err == nil || err.Error() != c.want {
				t.Errorf("%s: error %v, want %s", c.name, err, c.want)
			}
		})
	}
}

func TestSlowFlowOfTheLibraryIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		slow := mapping(func(n int) string { time.Sleep(time.Hour); return fmt.Sprint(n) })
		if _, err := runtime.Run(t.Context(), library(items(1, 2, 3), slow, &out), &graph.Env{}, runtime.Options{}); err != nil || out.String() != "123" {
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
		_, err := runtime.Run(t.Context(), plan, &graph.Env{}, runtime.Options{})
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
		plan := chain("items", items(1, 2, 3), "stuck", FromSink[none, int]("stuck", "", "n", func(ctx context.Context, _ context.CancelFunc, _ *none) (streams.Sink, error) {
			return stuckSink{make(chan any), ctx}, nil
		}))
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(enough) })
		_, err := runtime.Run(ctx, plan, &graph.Env{}, runtime.Options{})
		if !errors.Is(err, enough) || !strings.Contains(err.Error(), "stuck: close: gostreams.stuckSink did not finish within 5s") {
			t.Errorf("error %v", err)
		}
	})
}

func TestSinkOfTheLibraryGetsNoDeviceMemory(t *testing.T) {
	gpu := graph.NewSource("gpu", "", func(*graph.Env, *none) (func(context.Context, func(*memoryOut) error) error, func(error) error, error) {
		return func(_ context.Context, emit func(*memoryOut) error) error { return emit(&memoryOut{}) }, nil, nil
	})
	plan := chain("gpu", gpu, "out", FromSink[none, *memory]("out", "", "m", func(context.Context, context.CancelFunc, *none) (streams.Sink, error) {
		return extension.NewIgnoreSink(), nil
	}))
	if _, err := runtime.Run(t.Context(), plan, &graph.Env{}, runtime.Options{}); graph.KindOf(err) != graph.BadConfig {
		t.Errorf("error %v", err)
	}
}

// memory is a token that holds device memory.
type memory struct{}

func (*memory) Release() {}

type memoryOut struct {
	M *memory `port:"m"`
}

// full is a writer that never has room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

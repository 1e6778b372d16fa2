// Package gostreams makes stages of the sources, flows and sinks of github.com/reugn/go-streams, as
// they are: its connectors to Kafka, NATS, Redis and files, its operators.
package gostreams

import (
	"context"
	"fmt"
	"path"
	"reflect"
	"time"

	"github.com/reugn/go-streams"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Any source, flow or sink of go-streams becomes a stage with FromSource, FromFlow or FromSink: a
// Kafka topic, a file, a map over frames. The library moves values of type any and asserts their
// type in goroutines of its own, where a wrong one ends the process. Here a port has a type, and
// what crosses it is checked on our side.
//
// A stage answers each frame with one frame, a flow of the library with any number of items, and
// from outside one that filters looks like one that is slow. Hence a flow is made anew for each
// frame, is given the one item and the end of its stream, and must then give one item and the end
// of its own. This also keeps the rule that a stage has no memory: what must outlive a frame
// belongs on a delay edge.

// item is the struct of a stage with one port.
type item[T any] struct{ Value T }

func port[T any](name string) []graph.Port {
	return []graph.Port{{Name: name, Type: reflect.TypeFor[T]()}}
}

// FromSource declares a stage that emits the items of a go-streams source, which must be of type T,
// on one port. open is called once per run. ctx ends with the run: a source that may be stuck or
// endless must heed it. The library's sources log an error of reading and end as if the input had;
// let the reader they are given note it if that matters.
func FromSource[O, T any](name, doc, out string, open func(ctx context.Context, o *O) (streams.Source, error)) *graph.Stage {
	s := &graph.Stage{Name: name, Doc: doc, Role: graph.Source, Options: reflect.TypeFor[O](), Out: port[T](out), OutType: reflect.TypeFor[item[T]]()}
	s.Open = func(env *graph.Env, options any) (*graph.Node, error) {
		life, end := context.WithCancel(context.Background())
		o, _ := options.(*O)
		src, err := open(life, o)
		if err != nil {
			end()
			return nil, err
		}
		run := func(ctx context.Context, emit func(any) error) error {
			for frame := 0; ; frame++ {
				got, ok, err := receive(ctx, src.Out())
				if err != nil || !ok {
					return err
				}
				v, ok := got.(T)
				if !ok {
					return fmt.Errorf("frame %d: the source gave %T, output %q carries %v", frame, got, out, reflect.TypeFor[T]())
				}
				if err := emit(&item[T]{v}); err != nil {
					return err
				}
			}
		}
		closer := func(error) error {
			end()
			go exhaust(src) // it may be stuck on a send
			return nil
		}
		return &graph.Node{Run: run, Close: closer}, nil
	}
	return s
}

// FromFlow declares a stage that passes each frame through a go-streams flow of its own: one item
// of type T in, one of type R out. More, fewer or others are an error. A panic inside the flow
// cannot be caught: it has its own goroutine.
func FromFlow[O, T, R any](name, doc, in, out string, open func(o *O) streams.Flow) *graph.Stage {
	s := &graph.Stage{Name: name, Doc: doc, Role: graph.Flow, Options: reflect.TypeFor[O](), In: port[T](in), Out: port[R](out),
		InType: reflect.TypeFor[item[T]](), OutType: reflect.TypeFor[item[R]]()}
	s.Open = func(env *graph.Env, options any) (*graph.Node, error) {
		o, _ := options.(*O)
		sample := open(o)
		close(sample.In())
		go exhaust(sample)
		if t, takes := reflect.TypeFor[T](), operand(sample); takes != nil && !t.AssignableTo(takes) {
			return nil, fmt.Errorf("%T takes %v, input %q carries %v", sample, takes, in, t)
		}
		fire := func(ctx context.Context, in []any) ([]any, error) {
			r, err := through[R](ctx, open(o), in[0].(*item[T]).Value)
			if err != nil {
				return nil, err
			}
			return []any{&item[R]{r}}, nil
		}
		return &graph.Node{Fire: fire}, nil
	}
	return s
}

// through passes one item through a flow that has seen none.
func through[R any](ctx context.Context, f streams.Flow, v any) (r R, err error) {
	defer func() {
		if err != nil {
			go exhaust(f)
		}
	}()
	err = send(ctx, f.In(), v)
	close(f.In())
	if err != nil {
		return r, err
	}
	for n := 0; ; n++ {
		got, more, err := receive(ctx, f.Out())
		switch {
		case err != nil:
			return r, err
		case !more && n == 0:
			return r, fmt.Errorf("%T gave nothing for this frame: a flow in a plan answers one to one", f)
		case !more:
			return r, nil
		case n > 0:
			return r, fmt.Errorf("%T gave more than one item for this frame: a flow in a plan answers one to one", f)
		}
		var ok bool
		if r, ok = got.(R); !ok {
			return r, fmt.Errorf("%T gave %T, the output carries %v", f, got, reflect.TypeFor[R]())
		}
	}
}

// operand returns the type that an operator of the library asserts of its items: the first
// parameter of the function it holds. It is nil where that cannot be known.
func operand(f streams.Flow) reflect.Type {
	t := reflect.TypeOf(f)
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct || path.Base(t.Elem().PkgPath()) != "flow" {
		return nil
	}
	for field := range t.Elem().Fields() {
		if field.Type.Kind() == reflect.Func && field.Type.NumIn() > 0 {
			return field.Type.In(0)
		}
	}
	return nil
}

// FromSink declares a stage that gives the values of one port, of type T, to a go-streams sink.
// open is called once per run. ctx ends with the run; fail is for extension.WithContextCancel, the
// one way in which a sink of the library can say that it has given up: without it a full disk would
// pass for success. At the end the sink is awaited, but if the run did not complete, for at most
// grace.
func FromSink[O, T any](name, doc, in string, open func(ctx context.Context, fail context.CancelFunc, o *O) (streams.Sink, error)) *graph.Stage {
	s := &graph.Stage{Name: name, Doc: doc, Role: graph.Sink, Options: reflect.TypeFor[O](), In: port[T](in), InType: reflect.TypeFor[item[T]]()}
	s.Open = func(env *graph.Env, options any) (*graph.Node, error) {
		if s.In[0].Device() {
			return nil, graph.Errorf(graph.BadConfig, "%v holds device memory, and a sink of the library cannot say when it has used it", s.In[0].Type)
		}
		life, end := context.WithCancel(context.Background())
		o, _ := options.(*O)
		sink, err := open(life, end, o)
		if err != nil {
			end()
			return nil, err
		}
		gaveUp := func() error {
			if life.Err() != nil {
				return fmt.Errorf("%T has given up", sink)
			}
			return nil
		}
		fire := func(ctx context.Context, in []any) ([]any, error) {
			select {
			case sink.In() <- in[0].(*item[T]).Value:
			case <-life.Done():
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			return nil, gaveUp()
		}
		closer := func(cause error) error {
			defer end()
			close(sink.In())
			if !await(sink, cause == nil) {
				return fmt.Errorf("%T did not finish within %v", sink, grace)
			}
			if cause == nil {
				return gaveUp()
			}
			return nil
		}
		return &graph.Node{Fire: fire, Close: closer}, nil
	}
	return s
}

// await waits until a sink has finished, for ever or for at most grace. It reports whether the sink
// did.
func await(s streams.Sink, patient bool) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.AwaitCompletion()
	}()
	var late <-chan time.Time
	if !patient {
		late = time.After(grace)
	}
	select {
	case <-done:
		return true
	case <-late:
		return false
	}
}

// grace is how long a sink may take to finish after a failure.
const grace = 5 * time.Second

// exhaust reads what is left in an outlet, so that its goroutines can end.
func exhaust(o streams.Outlet) {
	for range o.Out() {
	}
}

// receive takes the next item from a channel, unless the run is over.
func receive(ctx context.Context, from <-chan any) (item any, ok bool, err error) {
	select {
	case item, ok = <-from:
		return item, ok, nil
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
}

// send puts an item on a channel, unless the run is over.
func send(ctx context.Context, to chan<- any, item any) error {
	select {
	case to <- item:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

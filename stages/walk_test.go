package stages

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// walk fires the stages of a plan one after the other, frame by frame: what the engine does, without its concurrency.
type walk struct {
	env   *graph.Env
	plan  *graph.Plan
	nodes map[*graph.PlanNode]*graph.Node
	out   map[*graph.PlanNode]reflect.Value // outputs of this frame, structs
	last  map[*graph.PlanNode]reflect.Value // and of the frame before
}

func (w *walk) open(t *testing.T, text string, o graph.Overrides, source *graph.Stage) {
	t.Helper()
	var err error
	if w.plan, err = graph.LoadBytes("parity.toml", []byte(text), append(slices.Clone(All), source), o); err != nil {
		t.Fatal(err)
	}
	w.nodes = map[*graph.PlanNode]*graph.Node{}
	for _, n := range w.plan.Nodes {
		if w.nodes[n], err = n.Stage.Open(w.env, n.Options); err != nil {
			t.Fatal(err)
		}
	}
}

// run passes all frames, and calls after with the tokens of each.
func (w *walk) run(t *testing.T, after func()) {
	source := w.plan.Source()
	err := w.nodes[source].Run(context.Background(), func(out any) error {
		w.out = map[*graph.PlanNode]reflect.Value{source: reflect.ValueOf(out).Elem()}
		for _, n := range w.plan.Nodes[1:] {
			if err := w.fire(n); err != nil {
				return fmt.Errorf("%s: %w", n.ID, err)
			}
		}
		after()
		w.end()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fire fires one stage. A delayed input is a token of the frame before, or the zero value on the first.
func (w *walk) fire(n *graph.PlanNode) error {
	in := reflect.New(n.Stage.InType)
	for i, edge := range n.In {
		from := w.out
		if edge != nil && edge.Delay > 0 {
			from = w.last
		}
		if edge == nil || !from[edge.From].IsValid() {
			continue
		}
		in.Elem().Field(n.Stage.In[i].Field).Set(from[edge.From].Field(edge.From.Stage.Out[edge.FromPort].Field))
	}
	out, err := w.nodes[n].Fire(context.Background(), []any{in.Interface()})
	if err == nil {
		w.out[n] = reflect.ValueOf(out[0]).Elem()
	}
	return err
}

// end releases the tokens of this frame, but for those that the next one reads: they take the place of the last ones.
func (w *walk) end() {
	delayed := func(n *graph.PlanNode, port int) bool {
		return slices.ContainsFunc(n.Out, func(e *graph.Edge) bool { return e.FromPort == port && e.Delay > 0 })
	}
	w.each(w.last, func(n *graph.PlanNode, port int, t graph.Resident) {
		if delayed(n, port) {
			t.Release()
		}
	})
	w.each(w.out, func(n *graph.PlanNode, port int, t graph.Resident) {
		if !delayed(n, port) {
			t.Release()
		}
	})
	w.last, w.out = w.out, nil
}

// release releases what the last frame has left for the next one.
func (w *walk) release() { w.out = nil; w.end() }

// each visits the tokens that hold device memory.
func (w *walk) each(outs map[*graph.PlanNode]reflect.Value, visit func(*graph.PlanNode, int, graph.Resident)) {
	for n, out := range outs {
		for i, port := range n.Stage.Out {
			if f := out.Field(port.Field); port.Device() && !f.IsNil() {
				visit(n, i, f.Interface().(graph.Resident))
			}
		}
	}
}

// token returns what a stage has put on a port for this frame, nil when it has no such port.
func (w *walk) token(id, port string) any {
	for n, out := range w.out {
		for _, p := range n.Stage.Out {
			if n.ID == id && p.Name == port {
				return out.Field(p.Field).Interface()
			}
		}
	}
	return nil
}

// goldenSource is a source that delivers a clip u8 [frames, height, width, 3] with a prompt for object 1 on frame 0.
func goldenSource(clip []byte, width, height int, run goldenRun) *graph.Stage {
	type out struct {
		Frame *token.Frame `port:"frame" doc:"golden frame"`
	}
	type options struct{}
	prompt := token.Prompt{Object: 1}
	switch p := run.Prompt; {
	case p.Box != nil:
		prompt.Box = &token.Box{X0: p.Box[0], Y0: p.Box[1], X1: p.Box[2], Y1: p.Box[3]}
	case p.Point != nil:
		prompt.Points = []token.Point{{X: p.Point[0], Y: p.Point[1], Label: 1}}
	default:
		prompt.Mask = &token.Mask{W: width, H: height, Pix: make([]uint8, width*height)}
		for y := p.Mask[1]; y < p.Mask[3]; y++ {
			for x := p.Mask[0]; x < p.Mask[2]; x++ {
				prompt.Mask.Pix[y*width+x] = 1
			}
		}
	}
	size := width * height * 3
	stream := &token.Stream{ID: "golden", Width: width, Height: height, Frames: run.Frames}
	return graph.NewSource("golden", "The golden clip.", func(*graph.Env, *options) (func(context.Context, func(*out) error) error, func(error) error, error) {
		return func(_ context.Context, emit func(*out) error) error {
			for i := range stream.Frames {
				h := &token.Header{Stream: stream, Index: i, Objects: []int{1}}
				if i == 0 {
					h.Prompts = []token.Prompt{prompt}
				}
				if err := emit(&out{&token.Frame{Header: h, RGB: clip[i*size:][:size]}}); err != nil {
					return err
				}
			}
			return nil
		}, nil, nil
	})
}

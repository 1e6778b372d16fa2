package stages

import (
	"context"
	"slices"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/load"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// walk steps through a plan, frame by frame, and keeps the tokens of a frame until they were looked
// at.
type walk struct {
	env    *graph.Env
	plan   *graph.Plan
	steps  *graph.Stepper
	source *graph.Node
	tokens map[string]*graph.Token // of this frame, by "stage.port"
	old    []*graph.Token          // that somebody will still read
}

func (w *walk) open(t *testing.T, text string, o load.Overrides, source *graph.Stage) {
	t.Helper()
	var err error
	if w.plan, err = load.Bytes("parity.toml", []byte(text), append(slices.Clone(All), source), o); err != nil {
		t.Fatal(err)
	}
	w.tokens = map[string]*graph.Token{}
	w.steps = &graph.Stepper{Plan: w.plan,
		Open: func(n *graph.PlanNode) (*graph.Node, error) { return n.Stage.Open(w.env, n.Options) },
		Made: func(n *graph.PlanNode, port int, token *graph.Token) {
			w.tokens[n.ID+"."+n.Stage.Out[port].Name] = token
		}}
	if err := w.steps.Start(); err != nil {
		t.Fatal(err)
	}
	if w.source, err = source.Open(w.env, w.plan.Source().Options); err != nil {
		t.Fatal(err)
	}
}

// run passes all frames, and calls after with the tokens of each.
func (w *walk) run(t *testing.T, after func()) {
	err := w.source.Run(context.Background(), func(out any) error {
		if err := w.steps.Emit(w.plan.Source(), out); err != nil {
			return err
		}
		if err := w.steps.Settle(); err != nil {
			return err
		}
		after()
		w.end()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// end releases the tokens that nobody will read any more.
func (w *walk) end() {
	for _, token := range w.tokens {
		w.old = append(w.old, token)
	}
	clear(w.tokens)
	w.old = slices.DeleteFunc(w.old, func(token *graph.Token) bool {
		if held := graph.Held(token.Value); token.Readers == 0 && held != nil {
			held.Release()
		}
		return token.Readers == 0
	})
}

// release releases what the last frame has left for the next one.
func (w *walk) release() {
	for _, token := range w.old {
		token.Readers = 0
	}
	w.end()
}

// token returns what a stage has put on a port for this frame, nil when it has no such port.
func (w *walk) token(id, port string) any {
	if token := w.tokens[id+"."+port]; token != nil {
		return token.Value
	}
	return nil
}

// goldenSource is a source that delivers a clip u8 [frames, height, width, 3] with a prompt for
// object 1 on frame 0.
func goldenSource(clip []byte, width, height int, run goldenRun) *graph.Stage {
	type out struct {
		Frame *token.Frame `port:"frame" doc:"golden frame"`
	}
	type options struct{}
	prompt := token.Prompt{Object: 1}
	switch p := run.Prompt; {
	case p.Box != nil:
		prompt.Box = &token.Box{X0: float64(p.Box[0]), Y0: float64(p.Box[1]), X1: float64(p.Box[2]), Y1: float64(p.Box[3])}
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

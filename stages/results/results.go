// Package results hands what a plan finds to a program, frame by frame.
package results

import (
	"context"
	"reflect"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Result is where the objects are on one frame.
type Result struct {
	Frame   int     // from 0
	Time    float64 // seconds, as in the input
	Width   int     // pixels of the upright frame
	Height  int
	Objects []Object // in the order of their numbers
}

// Object is one object on one frame.
type Object struct {
	ID    int
	IoU   float32 // predicted IoU of the mask
	Logit float32 // object logit: above 0 the network believes that the object is there

	tracked *token.Tracked
}

// Mask returns a byte for each pixel of the frame, row by row: 1 on the object. It must not be
// changed.
func (o Object) Mask() []uint8 { return o.tracked.Mask().Pix }

// Lost reports whether no pixel belongs to the object.
func (o Object) Lost() bool { return o.tracked.Lost() }

// Box returns the smallest box around the mask in pixels, zeros when the object is lost.
func (o Object) Box() (x, y, w, h int) {
	b := o.tracked.Box().Pixels()
	return b[0], b[1], b[2], b[3]
}

// Port returns the first stage that gives results, and its output port; "" when there is none.
func Port(plan *graph.Plan) (id string, port int) {
	for _, n := range plan.Nodes {
		for i, p := range n.Stage.Out {
			if p.Type == reflect.TypeFor[*token.Result]() {
				return n.ID, i
			}
		}
	}
	return "", 0
}

// Listen returns a copy of a resolved plan that calls each with the result of every frame, in
// order. An error ends the run.
func Listen(plan *graph.Plan, each func(Result) error) (*graph.Plan, error) {
	return Tap(plan, func(r *token.Result) error { return each(public(r)) })
}

// Tap is Listen for packages of stages: each gets the token itself, before any stage reads it.
func Tap(plan *graph.Plan, each func(*token.Result) error) (*graph.Plan, error) {
	id, port := Port(plan)
	if id == "" {
		return nil, graph.Errorf(graph.BadConfig, "%s: no stage gives a result", plan.File)
	}
	return plan.Edit(func(n *graph.PlanNode) {
		if n.ID != id {
			return
		}
		stage := n.Stage
		n.Stage = graph.Wrap(stage, func(_ *graph.Env, inst *graph.Node) *graph.Node {
			fire := func(ctx context.Context, in []any) ([]any, error) {
				outs, err := inst.Fire(ctx, in)
				for i := 0; i < len(outs) && err == nil; i++ {
					var values []any
					if values, err = stage.Outputs(outs[i]); err == nil && values[port].(*token.Result) != nil {
						err = each(values[port].(*token.Result))
					}
				}
				if err != nil { // nobody will read what the firing has made
					for _, out := range outs {
						stage.Release(out)
					}
					return nil, err
				}
				return outs, nil
			}
			return &graph.Node{Fire: fire, Close: inst.Close}
		})
	}), nil
}

// public is a result as programs see it.
func public(r *token.Result) Result {
	out := Result{Frame: r.Index, Time: float64(r.PTS) * r.Stream.TimeBase.Float(), Width: r.Stream.Width, Height: r.Stream.Height}
	for _, t := range r.Objects {
		out.Objects = append(out.Objects, Object{ID: t.Object, IoU: t.IoU, Logit: t.ObjectLogit, tracked: t})
	}
	return out
}

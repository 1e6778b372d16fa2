package runtime

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/kernels/null"
)

// Stages that sleep, under a virtual clock: what the plan predicts of their throughput is what a
// run reaches.
func TestThroughputIsAsPredicted(t *testing.T) {
	worst, limits := 0.0, map[bool]int{}
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			w := newWorld(seed)
			w.end, w.frames, w.dry = complete, 300, true
			sleeps := map[string]analyze.Cost{}
			for _, n := range w.plan.Nodes {
				d := time.Duration(1+r.IntN(20)) * time.Millisecond
				sleeps[n.ID] = analyze.Cost{Seconds: d.Seconds()}
				n.Arena = nil
				n.Stage = sleeping(n.Stage, d)
			}
			p := analyze.Predict(&w.plan, sleeps, 1)
			env := environment(w.batch, w.micro)
			env.Device = null.New()
			rep, err := Run(t.Context(), &w.plan, env, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := rep.Wall.Seconds() / float64(w.frames)
			off := math.Abs(got-p.Period) / p.Period
			if worst = max(worst, off); off > 0.1 {
				t.Errorf("seed %d: %.2f ms a frame, predicted %.2f (%s)", seed, 1e3*got, 1e3*p.Period, p.Why)
			}
			limits[len(p.Cycle) > 1]++
		})
	}
	if limits[true] < 30 || limits[false] < 30 {
		t.Errorf("single stages limit %d plans, longer cycles %d", limits[false], limits[true])
	}
	t.Log(fmt.Sprintf("at most %.1f %% off; longer cycles limit %d of 200 plans", 100*worst, limits[true]))
}

// sleeping makes a stage take a time for each frame.
func sleeping(s *graph.Stage, d time.Duration) *graph.Stage {
	slow := *s
	slow.Open = func(env *graph.Env, options any) (*graph.Node, error) {
		node, err := s.Open(env, options)
		if err != nil {
			return nil, err
		}
		if run := node.Run; run != nil {
			node.Run = func(ctx context.Context, emit func(any) error) error {
				return run(ctx, func(out any) error {
					time.Sleep(d)
					return emit(out)
				})
			}
		}
		if fire := node.Fire; fire != nil {
			node.Fire = func(ctx context.Context, in []any) ([]any, error) {
				time.Sleep(d * time.Duration(len(in)))
				return fire(ctx, in)
			}
		}
		return node, nil
	}
	return &slow
}

package runtime

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/kernels/null"
)

var errHungry = errors.New("nothing moves")

// What the checker says of a graph is what happens: one that is live runs to its end, one that is
// not stops for ever. The clock is virtual, so "for ever" is when nothing is left to do but to wait
// for the watchdog.
func TestAPlanIsLiveExactlyWhenItRunsToItsEnd(t *testing.T) {
	dead, graphs := 0, 0
	for seed := range uint64(500) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 9))
			w := newWorld(seed)
			if w.micro == 1 {
				return // hardly any of these stops
			}
			graphs++
			w.end, w.frames, w.dry = complete, 4*w.batch+8, true
			for _, n := range w.plan.Nodes {
				n.Arena = nil
			}
			for _, e := range w.plan.Edges {
				e.Capacity = 1
				if r.IntN(12) == 0 {
					e.Capacity += r.IntN(3)
				}
			}
			refused := analyze.Deadlock(&w.plan)
			env := environment(w.batch, w.micro)
			env.Device = null.New()
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errHungry)
			defer cancel()
			_, err := Run(ctx, &w.plan, env, Options{})
			if stopped := errors.Is(err, errHungry); stopped != (refused != nil) || err != nil && !stopped {
				t.Errorf("seed %d: the run ends with %v, the checker says %v", seed, err, refused)
			}
			if refused != nil {
				dead++
				if graph.KindOf(refused) != graph.BadConfig {
					t.Errorf("seed %d: %v", seed, refused)
				}
			}
		})
	}
	t.Logf("%d of %d graphs are dead", dead, graphs)
	if 10*dead < 3*graphs || 10*dead > 7*graphs {
		t.Errorf("%d of %d graphs are dead: the draw is too tame", dead, graphs)
	}
}

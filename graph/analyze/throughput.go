package analyze

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
)

// How fast a plan can go is read off the same rules as how much it holds (marking.go), with times
// on them: between a stage's firing and its dropping lies the time that a firing takes. Around a
// cycle of rules a frame waits for the frame that is so many behind as the cycle has slack, so the
// frames of a cycle follow each other no closer than
//
//	time around the cycle / slack around the cycle
//
// and the plan goes at the pace of its slowest cycle. A stage by itself is a cycle; feedback is one
// with a slack of its delays; a full edge, or leases that come home late, are cycles as well. The
// slowest is found by looking for one that is slower than the slowest so far, until there is none:
// a cycle around which more time passes than its slack is worth.
//
// A gather fires once for micro frames. So the rules are unrolled over as many frames: each event
// has a copy for each of them, and a gather's firing is one event that waits for all of its inputs.
// A slack of s frames then ties frame k to frame k - s, some iterations back.
//
// Besides, the stages share a machine: what they all compute for a frame, spread over its cores,
// takes that long at least.

// Cost is what a stage takes for a frame when it has the machine to itself.
type Cost struct {
	Seconds float64 `json:"seconds"`     // from the beginning to the end
	Compute float64 `json:"cpu_seconds"` // of all cores together
}

// Prediction is what a plan can reach.
type Prediction struct {
	Period float64  `json:"seconds_per_frame"`
	Cycle  []string `json:"cycle"` // the stages of the slowest cycle; empty when the machine is the limit
	Why    string   `json:"limit"`
}

// Predict says how fast a resolved plan can go, by the costs of its stages on so many cores.
func Predict(p *graph.Plan, costs map[string]Cost, cores int) Prediction {
	seconds, compute := map[string]float64{}, 0.0
	for id, c := range costs {
		seconds[id] = c.Seconds
		compute += c.Compute / float64(cores)
	}
	u := unroll(p, seconds)
	var out Prediction
	for {
		cycle := u.slower(out.Period * float64(p.Pipeline.Micro))
		if cycle == nil {
			break
		}
		time, back := 0.0, 0
		for _, r := range cycle {
			time, back = time+r.time, back+r.back
		}
		out.Period = time / float64(back*p.Pipeline.Micro)
		out.Cycle, out.Why = name(cycle)
		if back == 0 {
			break // it waits for itself: a plan that is not live
		}
	}
	if compute > out.Period {
		out = Prediction{Period: compute, Why: "the machine: no core is ever idle"}
	}
	return out
}

// copied is an event of one frame of an iteration.
type copied struct {
	event
	frame int
}

// timedRule ties two copies: to happens in an iteration a time after from has happened so many
// iterations before.
type timedRule struct {
	from, to copied
	a, b     int // their numbers
	back     int
	slack    int // of the rule that it comes from
	time     float64
}

// unrolled are the rules over the frames of an iteration.
type unrolled struct {
	rules []timedRule
	ids   map[copied]int // of the events
}

// unroll unrolls the rules over the frames of an iteration.
func unroll(p *graph.Plan, seconds map[string]float64) *unrolled {
	m := p.Pipeline.Micro
	u := &unrolled{ids: map[copied]int{}}
	for _, r := range rules(p) {
		own := r.from.node == r.to.node && (r.from.edge == nil || r.from.edge != r.to.edge) // not along an edge back to itself
		for k := range m {
			t := timedRule{from: copied{r.from, (k - r.slack%m + m) % m}, to: copied{r.to, k}, slack: r.slack}
			t.back = (r.slack + m - 1 - k) / m // frame k - slack lies so many iterations back
			if own && m > 1 && r.slack == m && p.Inside(r.to.node) == m && k == 0 {
				t.from.frame, t.back = m-1, 1 // a gather begins anew when the last frame is sent
			}
			if r.from.kind == fire && r.to.kind == drop {
				t.time = seconds[r.to.node.ID] * float64(p.Inside(r.to.node))
			}
			t.a, t.b = u.id(gathered(p, t.from)), u.id(gathered(p, t.to))
			u.rules = append(u.rules, t)
		}
	}
	return u
}

// id numbers an event.
func (u *unrolled) id(c copied) int {
	i, ok := u.ids[c]
	if !ok {
		i = len(u.ids)
		u.ids[c] = i
	}
	return i
}

// gathered returns the one copy of a gather's firing and dropping.
func gathered(p *graph.Plan, c copied) copied {
	if p.Inside(c.node) > 1 && (c.kind == fire || c.kind == drop) {
		c.frame = 0
	}
	return c
}

// slower returns a cycle around which more time passes than the period for every iteration back,
// nil when there is none. Gains that still grow after as many rounds as there are events come from
// a cycle, which the steps that led there go through.
func (u *unrolled) slower(period float64) []timedRule {
	gain, by := make([]float64, len(u.ids)), make([]int, len(u.ids))
	least := 1e-9 * period // what counts as growth
	last := -1
	for range len(u.ids) + 1 {
		last = -1
		for i, r := range u.rules {
			if g := gain[r.a] + r.time - period*float64(r.back); g > gain[r.b]+least {
				gain[r.b], by[r.b], last = g, i, r.b
			}
		}
		if last < 0 {
			return nil
		}
	}
	for range len(u.ids) { // back into the cycle
		last = u.rules[by[last]].a
	}
	var cycle []timedRule
	for at := last; ; {
		r := u.rules[by[at]]
		cycle = append(cycle, r)
		if at = r.a; at == last {
			slices.Reverse(cycle)
			return cycle
		}
	}
}

// name puts a cycle into words: the stages that take time on it, and what ties them.
func name(cycle []timedRule) (stages []string, why string) {
	slack, lease, seen := 0, "", map[string]bool{}
	for _, r := range cycle {
		slack += r.slack
		if r.time > 0 && !seen[r.to.node.ID] {
			seen[r.to.node.ID] = true
			stages = append(stages, r.to.node.ID)
		}
		if r.to.node.Stage.Lease && r.to.kind == fire && r.from.kind == drop {
			lease = ", waiting for leases"
		}
	}
	if len(stages) == 1 {
		return stages, stages[0] + " is busy all the time"
	}
	i := slices.Index(stages, slices.Min(stages))
	stages = append(stages[i:], stages[:i]...) // from a fixed one on
	return stages, fmt.Sprintf("%s: %d frames in flight%s", strings.Join(stages, " -> "), slack, lease)
}

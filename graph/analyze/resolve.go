// Package analyze says of a plan, before it runs, what it will do: how large its batch and edges
// are (resolve.go), how many tokens can be alive at once (marking.go), whether it deadlocks
// (deadlock.go), how much device memory it takes (dry.go, bound.go) and how fast it can go
// (throughput.go). All but the dry run is read off one list of rules, that of marking.go.
package analyze

import (
	"fmt"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Resolve settles what depends on the size of the input: how many frames may be resident, how many
// are launched at once, and how many tokens each edge holds.
//
// Batch. 8 frames up to 1280 x 720 pixels, 4 up to 1920 x 1080, 2 above or when the size is
// unknown; less where Sizing says so. Micro. A quarter of the batch, at least 1, and a divisor of
// it: leases are handed out in groups of micro. Less where Sizing says so.
//
// Capacities. Frames leave the source one after the other, and a stage with several inputs joins
// the tokens of one frame. If two ways lead from one stage to another and one of them is full while
// the other could still take frames, the stage where they part is blocked by the full one, and the
// other way may starve: a gather on it waits for frames that never come, and leases are never
// returned. So every way must be able to hold as many frames as the longest. Let
//
//	inside(n) = the frames that stage n itself can hold: micro when it gathers, else 1
//	hold(n)   = the most frames that can be under way between the source and n's inputs
//	          = max over its inputs of hold(from) + inside(from) + capacity
//
// An edge without a given capacity first counts with micro, since frames travel in groups of that.
// Then each gets what makes its own way as long as the longest: hold(to) - hold(from) -
// inside(from). The edge from the decoder to the output, which passes by the whole network, thus
// holds every frame that the network can hold. When it is full, the network is full, every gather
// in it has what it waits for, and frames move on. A delay that leads on to other stages is one of
// the ways, and holds the token that it starts with besides.
//
// The stages of a feedback cycle move in step: one cannot be further ahead of another than the
// delays on the quickest way back from there. An edge within a cycle therefore never holds more
// than its own delay and those, and gets just that: 1, with a single delay in the cycle. Seen from
// outside a cycle is like one stage, so hold counts from the longest way into any of its stages.

// pixels up to which a batch of 8 or 4 frames is the rule.
const (
	pixels720  = 1280 * 720
	pixels1080 = 1920 * 1080
)

// Sizing is what Resolve must know beside the plan.
type Sizing struct {
	Width, Height int // of the input as it is displayed, 0 when unknown

	// The largest batch and micro-batch that may be chosen where the file leaves the choice open,
	// 0 for any.
	MaxBatch, MaxMicro int

	Force bool // resolve a plan that deadlocks as well, for demonstrations
}

// Resolve returns the plan with batch, micro-batch and the capacities of the edges settled for an
// input of a size. What the file gives is kept, and checked: a plan that deadlocks is refused.
func Resolve(p *graph.Plan, size Sizing) (*graph.Plan, error) {
	q := p.Edit(nil)
	if err := resolveBatch(q, size); err != nil {
		return nil, err
	}
	resolveEdges(q)
	if !size.Force {
		if err := Deadlock(q); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// resolveBatch sets batch and micro-batch.
func resolveBatch(p *graph.Plan, size Sizing) error {
	s := &p.Pipeline
	if s.Batch < 0 || s.Micro < 0 {
		return graph.Errorf(graph.BadConfig, "batch %d and micro-batch %d must be at least 1", s.Batch, s.Micro)
	}
	why := ""
	if s.Batch == 0 {
		s.Batch, why = autoBatch(size.Width, size.Height), " (the default for this input)"
		if size.MaxBatch > 0 {
			s.Batch = min(s.Batch, size.MaxBatch)
		}
	}
	if s.Micro == 0 {
		s.Micro = max(s.Batch/4, 1)
		if size.MaxMicro > 0 {
			s.Micro = min(s.Micro, size.MaxMicro)
		}
		for s.Batch%s.Micro != 0 {
			s.Micro--
		}
	}
	if s.Batch%s.Micro == 0 {
		return nil
	}
	d := p.Complain("pipeline.micro", "micro = %d does not divide batch = %d%s", s.Micro, s.Batch, why)
	d.Notes = []string{fmt.Sprintf("batch = %d would do", (s.Batch/s.Micro+1)*s.Micro)}
	return graph.Diagnostics{d}
}

// autoBatch is the rule for batch = "auto".
func autoBatch(width, height int) int {
	switch n := width * height; {
	case n <= 0 || n > pixels1080:
		return 2
	case n > pixels720:
		return 4
	}
	return 8
}

// resolveEdges sets the capacities that the file leaves open.
func resolveEdges(p *graph.Plan) {
	component := map[*graph.PlanNode]int{} // group of stages that move in step: a cycle, or a stage by itself
	for i, nodes := range p.Cycles() {
		for _, n := range nodes {
			component[n] = -1 - i
		}
	}
	for i, n := range p.Nodes {
		if component[n] == 0 {
			component[n] = 1 + i
		}
	}
	for _, e := range p.Edges {
		if e.Chosen = e.Chosen || e.Capacity == 0; !e.Chosen {
			continue
		}
		if e.Capacity = e.Delay + p.Pipeline.Micro; component[e.From] == component[e.To] {
			e.Capacity = e.Delay + delays(p, e.To, e.From)
		}
	}

	within := map[*graph.PlanNode]int{} // hold of a stage beyond that of its group
	for _, n := range p.Nodes {
		for _, e := range n.In {
			if e != nil && e.Delay == 0 && component[e.From] == component[n] {
				within[n] = max(within[n], within[e.From]+p.Inside(e.From)+e.Capacity)
			}
		}
	}
	before := map[int]int{} // hold of a group: longest path over the edges between groups, which form no cycle
	framesHeld := func(n *graph.PlanNode) int { return before[component[n]] + within[n] }
	for range p.Nodes {
		for _, e := range p.Edges {
			if component[e.From] != component[e.To] {
				before[component[e.To]] = max(before[component[e.To]], framesHeld(e.From)+p.Inside(e.From)+e.Capacity-e.Delay)
			}
		}
	}
	for _, e := range p.Edges {
		if e.Chosen && component[e.From] != component[e.To] {
			e.Capacity = framesHeld(e.To) - framesHeld(e.From) - p.Inside(e.From) + e.Delay
		}
	}
}

// delays is the least number of delays on a way from one stage to another, by relaxing every edge
// until nothing changes.
func delays(p *graph.Plan, from, to *graph.PlanNode) int {
	least := map[*graph.PlanNode]int{from: 0}
	for range p.Nodes {
		for _, e := range p.Edges {
			if d, ok := least[e.From]; ok {
				if old, ok := least[e.To]; !ok || d+e.Delay < old {
					least[e.To] = d + e.Delay
				}
			}
		}
	}
	return least[to]
}

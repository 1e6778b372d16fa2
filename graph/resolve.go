package graph

import "fmt"

// Resolve settles what depends on the size of the input: how many frames may be resident, how many are launched at
// once, and how many tokens each edge holds.
//
// Batch. 8 frames up to 1280 x 720 pixels, 4 up to 1920 x 1080, 2 above or when the size is unknown; less
// where Halve was asked for it.
// Micro. A quarter of the batch, at least 1, and a divisor of it: credits are handed out in groups of micro. Less where
// Shrink was asked for it.
//
// Capacities. Frames leave the source one after the other, and a stage with several inputs joins the tokens of one
// frame. If two ways lead from one stage to another and one of them is full while the other could still take frames,
// the stage where they part is blocked by the full one, and the other way may starve: a gather on it waits for frames
// that never come, and credits never come home. So every way must be able to hold as many frames as the longest. Let
//
//	inside(n) = the frames that stage n itself can hold: micro when it gathers, else 1
//	hold(n)   = the most frames that can be under way between the source and n's inputs
//	          = max over its inputs of hold(from) + inside(from) + capacity
//
// An edge without a given capacity first counts with micro, since frames travel in groups of that. Then each gets what
// makes its own way as long as the longest: hold(to) - hold(from) - inside(from). The edge from the decoder to the
// output, which passes by the whole network, thus holds every frame that the network can hold. When it is full, the
// network is full, every gather in it has what it waits for, and frames move on. A delay that leads on to other stages
// is one of the ways, and holds the token that it starts with besides.
//
// The stages of a feedback cycle move in step: one cannot be further ahead of another than the delays on the quickest
// way back from there. An edge within a cycle therefore never holds more than its own delay and those, and gets just
// that: 1, with a single delay in the cycle. Seen from outside a cycle is like one stage, so hold counts from the
// longest way into any of its stages.

// pixels up to which a batch of 8 or 4 frames is the rule.
const (
	pixels720  = 1280 * 720
	pixels1080 = 1920 * 1080
)

// Resolve sets Pipeline.Batch, Pipeline.Micro and the edges' capacities for an input of a displayed size, 0 when that is
// unknown. What the file gives is kept, and checked: a plan that would stop for ever is refused. Resolve may be called
// again, for another size.
func (p *Plan) Resolve(width, height int) error {
	if err := p.resolveBatch(width, height); err != nil {
		return err
	}
	p.resolveEdges()
	if p.Forced {
		return nil
	}
	return p.Live()
}

// resolveBatch sets batch and micro-batch.
func (p *Plan) resolveBatch(width, height int) error {
	s := &p.Pipeline
	if s.Batch < 0 || s.Micro < 0 {
		return Errorf(BadConfig, "batch %d and micro-batch %d must be at least 1", s.Batch, s.Micro)
	}
	why := ""
	if p.auto.batch = p.auto.batch || s.Batch == 0; p.auto.batch {
		s.Batch, why = autoBatch(width, height), " (the default for this input)"
		if p.most > 0 {
			s.Batch = min(s.Batch, p.most)
		}
	}
	if p.auto.micro = p.auto.micro || s.Micro == 0; p.auto.micro {
		s.Micro = max(s.Batch/4, 1)
		if p.mostMicro > 0 {
			s.Micro = min(s.Micro, p.mostMicro)
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
	return Diagnostics{d}
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
func (p *Plan) resolveEdges() {
	ring := map[*PlanNode]int{} // group of stages that move in step: a cycle, or a stage by itself
	for i, nodes := range p.Cycles() {
		for _, n := range nodes {
			ring[n] = -1 - i
		}
	}
	for i, n := range p.Nodes {
		if ring[n] == 0 {
			ring[n] = 1 + i
		}
	}
	for _, e := range p.Edges {
		if e.auto = e.auto || e.Capacity == 0; !e.auto {
			continue
		}
		if e.Capacity = e.Delay + p.Pipeline.Micro; ring[e.From] == ring[e.To] {
			e.Capacity = e.Delay + p.delays(e.To, e.From)
		}
	}

	depth := map[*PlanNode]int{} // hold of a stage beyond that of its group
	for _, n := range p.Nodes {
		for _, e := range n.In {
			if e != nil && e.Delay == 0 && ring[e.From] == ring[n] {
				depth[n] = max(depth[n], depth[e.From]+p.inside(e.From)+e.Capacity)
			}
		}
	}
	entry := map[int]int{} // hold of a group: longest path over the edges between groups, which form no cycle
	hold := func(n *PlanNode) int { return entry[ring[n]] + depth[n] }
	for range p.Nodes {
		for _, e := range p.Edges {
			if ring[e.From] != ring[e.To] {
				entry[ring[e.To]] = max(entry[ring[e.To]], hold(e.From)+p.inside(e.From)+e.Capacity-e.Delay)
			}
		}
	}
	for _, e := range p.Edges {
		if e.auto && ring[e.From] != ring[e.To] {
			e.Capacity = hold(e.To) - hold(e.From) - p.inside(e.From) + e.Delay
		}
	}
}

// delays is the least number of delays on a way from one stage to another, by relaxing every edge until nothing changes.
func (p *Plan) delays(from, to *PlanNode) int {
	least := map[*PlanNode]int{from: 0}
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

package analyze

import (
	"fmt"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
)

// What a plan needs of the device is measured in a dry run: the stages fire one after the other, on
// a device that counts and computes nothing, on imagined frames, and each has an arena of its own
// that finds out how large it must be.
//
// The dry run is the worst case. Each token stays until as many newer ones exist as Alive allows,
// so results are counted at their most; a gather always fires on micro frames; and the imagined
// stream goes on until nothing grows any more, which is when whatever the stages remember is full.
// What depends on answers of the network is measured in several scenarios: before each frame the
// caller is told in which, and lets the device answer accordingly.

// Dry is how to run dry.
type Dry struct {
	Env       *graph.Env                // with a device that counts; Batch and Micro of the plan
	Probe     graph.Probe               // of the source
	Scenarios int                       // at least 1
	Before    func(scenario, frame int) // called before each frame; may be nil
}

const (
	steady  = 18  // frames without growth after which nothing grows any more
	longest = 512 // frames of a scenario, at most
)

// Footprint is what one stage needs of the device.
type Footprint struct {
	*graph.PlanNode
	Need  kernels.Reserve
	Token []int // bytes of one token, by output port: the most seen
	Alive []int // of these at once
}

// dryRun is a dry run under way.
type dryRun struct {
	*Dry
	plan  *graph.Plan
	steps *graph.Stepper
	nodes map[*graph.PlanNode]*dryNode
}

type dryNode struct {
	*Footprint
	arena *kernels.Arena
	alive [][]*graph.Token // by output port, oldest first
}

// Measure runs dry and returns what each stage needs, in the order of Nodes.
func Measure(p *graph.Plan, d Dry) (footprints []*Footprint, err error) {
	source := p.Source()
	if source.Stage.Imagine == nil {
		return nil, graph.Errorf(graph.BadConfig, "%s: the source %q cannot imagine frames: what the plan needs of the device cannot be known", source.ID, source.Stage.Name)
	}
	frames, err := source.Stage.Imagine(d.Env, source.Options, d.Probe, max(d.Scenarios, 1)*longest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source.ID, err)
	}
	r := &dryRun{Dry: &d, plan: p, nodes: map[*graph.PlanNode]*dryNode{}}
	r.steps = &graph.Stepper{Plan: p, Open: r.open, Before: r.makeRoom, Made: r.keep}
	alive := Alive(p)
	for _, n := range p.Nodes {
		r.nodes[n] = &dryNode{Footprint: &Footprint{PlanNode: n, Alive: alive[n], Token: make([]int, len(n.Stage.Out))},
			arena: kernels.Measure(d.Env.Device, n.ID), alive: make([][]*graph.Token, len(n.Stage.Out))}
	}
	defer func() {
		if e := r.close(); err == nil && e != nil {
			footprints, err = nil, e
		}
	}()
	if err := r.steps.Start(); err != nil {
		return nil, err
	}
	for scenario := range max(d.Scenarios, 1) {
		need, since := -1, 0
		for frame := 0; since < steady && len(frames) > 0; frame++ {
			if d.Before != nil {
				d.Before(scenario, frame)
			}
			if err := r.steps.Emit(source, frames[0]); err != nil {
				return nil, err
			}
			if err := r.steps.Settle(); err != nil {
				return nil, err
			}
			frames, since = frames[1:], since+1
			if n := r.need(); n != need {
				need, since = n, 0
			}
		}
	}
	for _, n := range p.Nodes {
		f := r.nodes[n]
		f.Need = f.arena.Need()
		footprints = append(footprints, f.Footprint)
	}
	return footprints, nil
}

// need sums what the arenas have needed so far.
func (r *dryRun) need() (bytes int) {
	for _, n := range r.nodes {
		bytes += n.arena.Need().Bytes()
	}
	return bytes
}

// open opens a flow in its measuring arena. A sink would write, and is left out.
func (r *dryRun) open(n *graph.PlanNode) (*graph.Node, error) {
	if n.Stage.Role == graph.Sink {
		return nil, nil
	}
	env := *r.Env
	env.Stage, env.Device = n.ID, r.nodes[n].arena
	return n.Stage.Open(&env, n.Options)
}

// makeRoom releases the oldest tokens, so that with those of the next firing there are as many as
// can be.
func (r *dryRun) makeRoom(p *graph.PlanNode, coming int) error {
	n := r.nodes[p]
	for port := range n.alive {
		for len(n.alive[port])+coming > n.Alive[port] && len(n.alive[port]) > 0 {
			if n.alive[port][0].Readers > 0 {
				return fmt.Errorf("output %q: %d tokens are not enough for a dry run", n.Stage.Out[port].Name, n.Alive[port])
			}
			r.release(n, port)
		}
	}
	return nil
}

// keep holds a token with device memory until newer ones take its place.
func (r *dryRun) keep(p *graph.PlanNode, port int, t *graph.Token) {
	if n := r.nodes[p]; p.Stage.Out[port].Device() {
		n.alive[port] = append(n.alive[port], t)
	}
}

// release releases the oldest token of a port, and records how much it held.
func (r *dryRun) release(n *dryNode, port int) {
	t := n.alive[port][0]
	n.alive[port] = n.alive[port][1:]
	before, _ := n.arena.Live()
	if held := graph.Held(t.Value); held != nil {
		held.Release()
	}
	after, _ := n.arena.Live()
	n.Token[port] = max(n.Token[port], before-after)
}

// close releases everything. A stage that keeps device memory beyond its tokens is an error.
func (r *dryRun) close() error {
	for _, p := range r.plan.Nodes {
		n := r.nodes[p]
		for port := range n.alive {
			for len(n.alive[port]) > 0 {
				r.release(n, port)
			}
		}
	}
	err := r.steps.Close()
	for _, p := range r.plan.Nodes {
		n := r.nodes[p]
		if now, _ := n.arena.Live(); now > 0 && err == nil {
			err = fmt.Errorf("%s: %d bytes of device memory are in no token", n.ID, now)
		}
	}
	return err
}

package graph

import (
	"context"
	"fmt"
	"reflect"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// What a plan needs of the device is measured in a dry run: the stages fire one after the other, on a device that counts
// and computes nothing, on imagined frames, and each has an arena of its own that finds out how large it must be.
//
// The dry run is the worst case. Each token stays until as many newer ones exist as Alive allows, so results are counted
// at their most; a gather always fires on micro frames; and the imagined stream goes on until nothing grows any more, which
// is when whatever the stages remember is full. What depends on answers of the network is tried in several moods: before
// each frame the caller is told in which, and lets the device answer accordingly.

// Dry is how to run dry.
type Dry struct {
	Env    *Env                  // with a device that counts; Batch and Micro of the plan
	Probe  Probe                 // of the source
	Moods  int                   // at least 1
	Before func(mood, frame int) // called before each frame; may be nil
}

const (
	steady  = 18  // frames without growth after which nothing grows any more
	longest = 512 // frames of a mood, at most
)

// Footprint is what one stage needs of the device.
type Footprint struct {
	*PlanNode
	Need  kernels.Reserve
	Token []int // bytes of one token, by output port: the most seen
	Alive []int // of these at once
}

// dryRun is a dry run under way.
type dryRun struct {
	*Dry
	plan   *Plan
	nodes  map[*PlanNode]*dryNode
	queues map[*Edge][]*dryToken
	rounds map[*Edge]int // tokens taken from it
}

type dryNode struct {
	*Footprint
	arena *kernels.Arena
	inst  *Node
	alive [][]*dryToken // by output port, oldest first
}

type dryToken struct {
	value any
	refs  int // readers that have not had it
}

// Measure runs dry and returns what each stage needs, in the order of Nodes.
func (p *Plan) Measure(d Dry) (feet []*Footprint, err error) {
	source := p.Source()
	if source.Stage.Imagine == nil {
		return nil, Errorf(BadConfig, "%s: the source %q cannot imagine frames: what the plan needs of the device cannot be known", source.ID, source.Stage.Name)
	}
	frames, err := source.Stage.Imagine(d.Env, source.Options, d.Probe, max(d.Moods, 1)*longest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source.ID, err)
	}
	r := &dryRun{Dry: &d, plan: p, nodes: map[*PlanNode]*dryNode{}, queues: map[*Edge][]*dryToken{}, rounds: map[*Edge]int{}}
	defer func() {
		if e := r.close(); err == nil && e != nil {
			feet, err = nil, e
		}
	}()
	if err := r.open(); err != nil {
		return nil, err
	}
	for mood := range max(d.Moods, 1) {
		need, since := -1, 0
		for frame := 0; since < steady && len(frames) > 0; frame++ {
			if d.Before != nil {
				d.Before(mood, frame)
			}
			if err := r.emit(r.nodes[source], frames[:1]); err != nil {
				return nil, err
			}
			if err := r.settle(); err != nil {
				return nil, err
			}
			frames, since = frames[1:], since+1
			if n := r.need(); n != need {
				need, since = n, 0
			}
		}
	}
	for _, n := range p.Nodes {
		foot := r.nodes[n]
		foot.Need = foot.arena.Need()
		feet = append(feet, foot.Footprint)
	}
	return feet, nil
}

// need sums what the arenas have needed so far.
func (r *dryRun) need() (bytes int) {
	for _, n := range r.nodes {
		bytes += n.arena.Need().Bytes()
	}
	return bytes
}

func (r *dryRun) open() error {
	alive := r.plan.Alive()
	for _, n := range r.plan.Nodes {
		d := &dryNode{Footprint: &Footprint{PlanNode: n, Alive: alive[n], Token: make([]int, len(n.Stage.Out))},
			arena: kernels.Measure(r.Env.Device, n.ID), alive: make([][]*dryToken, len(n.Stage.Out))}
		r.nodes[n] = d
		if n.Stage.Role != Flow {
			continue // a source is imagined; a sink would write
		}
		env := *r.Env
		env.Stage, env.Device = n.ID, d.arena
		var err error
		if d.inst, err = n.Stage.Open(&env, n.Options); err != nil {
			return fmt.Errorf("%s: %w", n.ID, err)
		}
	}
	return nil
}

// settle fires whatever has its inputs until nothing has.
func (r *dryRun) settle() error {
	for moved := true; moved; {
		moved = false
		for _, n := range r.plan.Nodes[1:] {
			for r.ready(n) {
				if err := r.fire(r.nodes[n]); err != nil {
					return fmt.Errorf("%s: %w", n.ID, err)
				}
				moved = true
			}
		}
	}
	return nil
}

// ready says whether a stage has tokens for a whole firing.
func (r *dryRun) ready(n *PlanNode) bool {
	for _, e := range n.In {
		if e == nil {
			continue
		}
		have := len(r.queues[e])
		if r.rounds[e] == 0 {
			have += e.Delay // the initial token
		}
		if have < r.plan.inside(n) {
			return false
		}
	}
	return true
}

func (r *dryRun) fire(n *dryNode) error {
	ins, used := make([]any, r.plan.inside(n.PlanNode)), []*dryToken{}
	for i := range ins {
		in := reflect.New(n.Stage.InType)
		for port, e := range n.In {
			if e == nil {
				continue
			}
			r.rounds[e]++
			if r.rounds[e] <= e.Delay {
				continue // the zero value
			}
			t := r.queues[e][0]
			r.queues[e], used = r.queues[e][1:], append(used, t)
			if t.value != nil {
				in.Elem().Field(n.Stage.In[port].Field).Set(reflect.ValueOf(t.value))
			}
		}
		ins[i] = in.Interface()
	}
	if n.inst == nil {
		r.drop(used)
		return nil
	}
	if err := r.room(n, len(ins)); err != nil {
		return err
	}
	outs, err := n.inst.Fire(context.Background(), ins)
	r.drop(used)
	if err != nil {
		return err
	}
	return r.emit(n, outs)
}

func (r *dryRun) drop(used []*dryToken) {
	for _, t := range used {
		t.refs--
	}
}

// room lets go of the oldest tokens, so that with those of the next firing there are as many as can be.
func (r *dryRun) room(n *dryNode, coming int) error {
	for port := range n.alive {
		for len(n.alive[port])+coming > n.Alive[port] && len(n.alive[port]) > 0 {
			t := n.alive[port][0]
			if t.refs > 0 {
				return fmt.Errorf("output %q: %d tokens are not enough for a dry run", n.Stage.Out[port].Name, n.Alive[port])
			}
			r.release(n, port)
		}
	}
	return nil
}

// release lets go of the oldest token of a port, and notes how much it held.
func (r *dryRun) release(n *dryNode, port int) {
	t := n.alive[port][0]
	n.alive[port] = n.alive[port][1:]
	before, _ := n.arena.Live()
	if held, ok := t.value.(Resident); ok && !reflect.ValueOf(t.value).IsNil() {
		held.Release()
	}
	after, _ := n.arena.Live()
	n.Token[port] = max(n.Token[port], before-after)
}

// emit puts the outputs of a firing on the edges.
func (r *dryRun) emit(n *dryNode, outs []any) error {
	for _, out := range outs {
		v := reflect.ValueOf(out)
		if len(n.Stage.Out) == 0 || v.IsNil() {
			continue
		}
		for port := range n.Stage.Out {
			t := &dryToken{value: v.Elem().Field(n.Stage.Out[port].Field).Interface()}
			for _, e := range n.Out {
				if e.FromPort == port {
					t.refs++
					r.queues[e] = append(r.queues[e], t)
				}
			}
			if n.Stage.Out[port].Device() {
				n.alive[port] = append(n.alive[port], t)
			}
		}
	}
	return nil
}

// close lets go of everything. A stage that keeps device memory beyond its tokens is told.
func (r *dryRun) close() (err error) {
	for _, p := range r.plan.Nodes {
		n := r.nodes[p]
		if n == nil {
			continue
		}
		for port := range n.alive {
			for len(n.alive[port]) > 0 {
				r.release(n, port)
			}
		}
	}
	for _, p := range r.plan.Nodes {
		n := r.nodes[p]
		if n == nil || n.inst == nil {
			continue
		}
		if n.inst.Close != nil {
			if e := n.inst.Close(nil); err == nil {
				err = e
			}
		}
		if now, _ := n.arena.Live(); now > 0 && err == nil {
			err = fmt.Errorf("%s: %d bytes of device memory are in no token", n.ID, now)
		}
	}
	return err
}

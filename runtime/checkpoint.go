package runtime

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
)

// A run can be cut at any frame boundary and go on later with the same results, because all that
// survives a frame are the tokens on delay edges and what sources and sinks hold. A checkpoint at
// frame f is
//
//	the tokens that the firings of frame f-1 have put on delay edges,
//	what each sink says of its files when frame f-1 has gone into them, and is on the disk,
//	where the source is, if it can find its place again,
//	and f.
//
// No stage waits for another: each hands in its part when it gets there, at the same frames, and a
// checkpoint is complete when all parts are in. Frames are worked on meanwhile; parts of later
// checkpoints just come later.
//
// A run that resumes at frame f lets the frames before f go unseen, unless the source finds frame f
// by itself, gives the first firings their delayed tokens from the checkpoint, and numbers frames
// from f.

// Checkpoint is where a run can go on.
type Checkpoint struct {
	Frame  int               // the first frame not yet done
	Tokens map[string][]byte // on delay edges, by "stage.output"
	Places map[string][]byte // of sources and sinks, by stage
}

// checkpoints collects the parts. A nil one wants none.
type checkpoints struct {
	every int
	save  func(*Checkpoint) error

	mu    sync.Mutex
	parts int                 // of one checkpoint
	open  map[int]*Checkpoint // not complete
}

// due reports whether a checkpoint lies behind frame seq.
func (c *checkpoints) due(seq int) bool { return c != nil && (seq+1)%c.every == 0 }

// put hands in a part of the checkpoint behind frame seq. The last part saves it.
func (c *checkpoints) put(seq int, what func(*Checkpoint)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.open[seq+1]
	if p == nil {
		p = &Checkpoint{Frame: seq + 1, Tokens: map[string][]byte{}, Places: map[string][]byte{}}
		c.open[seq+1] = p
	}
	what(p)
	if len(p.Tokens)+len(p.Places) < c.parts {
		return nil
	}
	delete(c.open, seq+1)
	if err := c.save(p); err != nil {
		return fmt.Errorf("checkpoint at frame %d: %w", seq+1, err)
	}
	return nil
}

// prepare counts the parts, and refuses plans that cannot be resumed. It runs when all stages are
// open.
func (r *run) prepare(o Options) error {
	if o.CheckpointEvery <= 0 {
		return nil
	}
	c := &checkpoints{every: o.CheckpointEvery, save: o.Checkpoint, open: map[int]*Checkpoint{}}
	var cannot []string
	for _, n := range r.nodes {
		for _, out := range n.outputs {
			if !out.delayed {
				continue
			}
			c.parts++
			if !out.port.Type.Implements(reflect.TypeFor[graph.State]()) {
				cannot = append(cannot, n.id+"."+out.port.Name)
			}
		}
		if n.saves != nil {
			c.parts++
		} else if n.stage.Role == graph.Sink {
			cannot = append(cannot, n.id)
		}
	}
	if cannot != nil {
		return graph.Errorf(graph.BadConfig, "this pipeline cannot be resumed: what %s holds cannot be saved", strings.Join(cannot, ", "))
	}
	r.checkpoints = c
	return nil
}

// saveTokens hands in what a firing puts on delay edges, when a checkpoint is due.
func (n *node) saveTokens(seq int, packed [][]*token) error {
	for i, tokens := range packed {
		if !n.run.checkpoints.due(seq + i) {
			continue
		}
		for k, out := range n.outputs {
			if !out.delayed {
				continue
			}
			data, err := tokens[k].value.(graph.State).Save()
			if err != nil {
				return fmt.Errorf("save %q: %w", out.port.Name, err)
			}
			key := n.id + "." + out.port.Name
			if err := n.run.checkpoints.put(seq+i, func(c *Checkpoint) { c.Tokens[key] = data }); err != nil {
				return err
			}
		}
	}
	return nil
}

// savePlace hands in where a source or a sink is, when a checkpoint is due behind the frames that
// it has just done.
func (n *node) savePlace(seq, count int) error {
	if n.saves == nil || !n.run.checkpoints.due(seq+count-1) {
		return nil
	}
	data, err := n.saves()
	if err != nil {
		return err
	}
	return n.run.checkpoints.put(seq+count-1, func(c *Checkpoint) { c.Places[n.id] = data })
}

// restore makes the tokens that the first firings find on their delayed inputs.
func (r *run) restore(from *Checkpoint) error {
	for _, n := range r.nodes {
		n.first = from.Frame
		n.frames.Store(int64(from.Frame))
		for _, out := range n.outputs {
			if !out.delayed {
				continue
			}
			key := n.id + "." + out.port.Name
			data, ok := from.Tokens[key]
			zero, can := reflect.Zero(out.port.Type).Interface().(graph.State)
			if !ok || !can {
				return graph.Errorf(graph.BadData, "the checkpoint does not hold %s", key)
			}
			dev := r.env.Device
			if n.arena != nil {
				dev = kernels.Device(n.arena)
			}
			value, err := zero.Load(dev, data)
			if err != nil {
				return graph.Errorf(graph.BadData, "%s: %w", key, err)
			}
			t := &token{value: value, held: graph.Held(value)}
			readers := r.delayedReaders(n.plan, out.port)
			t.refs.Store(int32(len(readers)))
			for _, in := range readers {
				in.initial = t
			}
		}
	}
	return nil
}

// delayedReaders returns the inputs that read an output on the next frame.
func (r *run) delayedReaders(from *graph.PlanNode, port *graph.Port) (all []*input) {
	for _, n := range r.nodes {
		k := 0
		for _, e := range n.plan.In {
			if e == nil {
				continue
			}
			if e.From == from && e.Delay > 0 && &from.Stage.Out[e.FromPort] == port {
				all = append(all, n.inputs[k])
			}
			k++
		}
	}
	return all
}

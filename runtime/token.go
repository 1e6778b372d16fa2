package runtime

import (
	"fmt"
	"sync/atomic"

	"github.com/seed49bbd0e6/tachi/graph"
)

// A token is one value on its way from an output port to the stages that read it. All of its edges
// carry the same token, and it counts them: each consumer drops it after the firing that read it,
// or when the run is over and nobody will. The last drop releases the device memory in it and then
// its share of the frame's lease.
//
// pack makes tokens of what a stage answers, and unpack makes the next stage's input of them.
type token struct {
	value any
	held  graph.Resident // nil for host tokens
	lease *lease         // nil for host tokens, for state, and in plans without leases
	refs  atomic.Int32   // consumers that have not finished with it
}

// drop gives up one consumer's share.
func (t *token) drop() {
	if t.refs.Add(-1) != 0 {
		return
	}
	if t.held != nil {
		t.held.Release()
	}
	if t.lease != nil {
		t.lease.drop()
	}
}

// input is an input port that an edge leads to.
type input struct {
	port  *graph.Port
	index int // of the port among the stage's inputs
	delay bool
	queue chan *token

	initial *token // of a delayed input in a run that goes on, until the first firing; else nil
}

// output is an output port, connected or not.
type output struct {
	port   *graph.Port
	device bool
	state  bool // its tokens live in reserved memory, without a lease

	delayed bool // some edge of it is read on the next frame
	edges   []chan<- *token
}

// newToken wraps the value of an output port. It takes over the value, and a share of the lease
// where one is due: also for a nil, so that what leases hold back does not depend on values.
func (o *output) newToken(value any, frame *lease) *token {
	t := &token{value: value}
	t.refs.Store(int32(len(o.edges)))
	if o.device {
		t.held = graph.Held(value)
	}
	if o.device && !o.state {
		t.lease = frame.share()
	}
	return t
}

// packAll packs the answers to a firing. If one of them is wrong all are discarded.
func (n *node) packAll(out []any, count int) (packed [][]*token, err error) {
	if len(out) != count {
		err = fmt.Errorf("%d outputs for %d frames", len(out), count)
	}
	for i, o := range out {
		var frame *lease
		if i < count {
			frame = n.held[i].lease
		}
		tokens, wrong := n.pack(o, frame)
		if err == nil {
			err = wrong
		}
		packed = append(packed, tokens)
	}
	if err != nil {
		n.discardAll(packed)
		return nil, err
	}
	return packed, nil
}

func (n *node) discardAll(packed [][]*token) {
	for _, tokens := range packed {
		n.discard(tokens)
	}
}

// pack takes an output struct apart: one token per output port, nil where no edge leads away.
// Device memory that no edge carries is released at once.
func (n *node) pack(out any, frame *lease) ([]*token, error) {
	values, err := n.stage.AppendOutputs(n.values[:0], out)
	if err != nil {
		return nil, err
	}
	n.values = values
	defer clear(values) // they belong to the tokens then
	tokens := make([]*token, len(n.outputs))
	for i, o := range n.outputs {
		if !o.device && len(o.edges) == 0 {
			continue
		}
		t := o.newToken(values[i], frame)
		if t.held != nil && !o.state && frame == nil && n.run.pool.used {
			err = fmt.Errorf("output %q holds device memory, but no input brings the lease of its frame", o.port.Name)
		}
		if tokens[i] = t; len(o.edges) == 0 {
			tokens[i] = nil
			t.refs.Store(1)
			n.drop(t)
		}
	}
	if err != nil {
		n.discard(tokens)
		return nil, err
	}
	return tokens, nil
}

// discard drops tokens that will not be sent, for every edge.
func (n *node) discard(tokens []*token) {
	for i, t := range tokens {
		if t != nil {
			for range n.outputs[i].edges {
				n.drop(t)
			}
		}
	}
}

// unpack puts the input struct of one frame together. A nil token leaves the zero value.
func (n *node) unpack(tokens []*token) any {
	values := append(n.values[:0], make([]any, len(n.stage.In))...)
	for i, t := range tokens {
		if t != nil {
			values[n.inputs[i].index] = t.value
		}
	}
	n.values = values
	defer clear(values) // they belong to the firing now
	return n.stage.Inputs(values)
}

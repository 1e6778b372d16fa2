package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
)

// A node runs one stage of the plan in one goroutine, in rounds: take the next token from every
// input, wait for a lease where the stage takes one, fire, drop the inputs, send the outputs.
// Because each port is read and written in frame order and nothing else decides what a firing sees,
// the outputs do not depend on timing (Kahn's networks). The number of rounds is the frame's
// number, so tokens need not carry it.
//
// The end of the stream is the closing of the queues. A node ends when an input is closed, when the
// run is cancelled, or when its stage fails, which cancels the run. In each case it first closes
// its outputs and then takes whatever is left in its inputs until those are closed as well, so
// nothing is stuck on a send and no token is forgotten.
type node struct {
	run    *run
	index  int
	id     string
	stage  *graph.Stage
	plan   *graph.PlanNode
	inst   *graph.Node
	arena  *kernels.Arena // its device memory, nil when that is not planned
	log    zerolog.Logger
	micro  int // frames in one firing, at most
	done   chan struct{}
	frames atomic.Int64           // completed
	first  int                    // where this run began
	saves  func() ([]byte, error) // of a sink that can be resumed, or a source that finds its place

	skipped int // frames that a source has left out by itself

	inputs  []*input // connected ones
	order   []int    // in which they are taken
	outputs []*output
	values  []any  // of one firing on their way between tokens and structs
	held    []held // what the current round has taken, and nobody has dropped yet

	clock   clock
	firings atomic.Int64
	times   histogram // of firings, per frame
}

// held is what a node holds of one frame between taking and dropping it.
type held struct {
	tokens []*token // by input; nil where a delayed input has its initial value
	lease  *lease   // this node's own share
}

// newNode makes the node with its inputs; the outputs' edges are connected later.
func newNode(r *run, index int, p *graph.PlanNode) *node {
	n := &node{run: r, index: index, id: p.ID, stage: p.Stage, plan: p, micro: 1, done: make(chan struct{})}
	n.log = r.env.Log.With().Str("stage", p.ID).Logger()
	if p.Stage.Gather && !p.InCycle {
		n.micro = r.micro
	}
	at := map[int]int{} // place in inputs, by port
	for i, e := range p.In {
		if e != nil {
			at[i] = len(n.inputs)
			n.inputs = append(n.inputs, &input{port: &p.Stage.In[i], index: i, delay: e.Delay > 0, queue: make(chan *token, max(e.Capacity, 1))})
		}
	}
	for _, port := range r.plan.TakeOrder(p) {
		n.order = append(n.order, at[port])
	}
	for i := range p.Stage.Out {
		port := &p.Stage.Out[i]
		o := &output{port: port, device: port.Device(), state: p.Remembers(i)}
		for _, e := range p.Out {
			o.delayed = o.delayed || e.FromPort == i && e.Delay > 0
		}
		n.outputs = append(n.outputs, o)
	}
	return n
}

// main is the node's goroutine.
func (n *node) main() {
	returned := false
	defer func() { // runs as well when a stage calls Goexit
		if !returned {
			n.run.fail(fmt.Errorf("%s: frame %d: the stage ended its goroutine", n.id, n.frames.Load()))
		}
		n.clock.stop()
		n.dropHeld(len(n.held))
		for _, o := range n.outputs {
			for _, q := range o.edges {
				close(q)
			}
		}
		n.dropInitial()
		for _, in := range n.inputs {
			for t := range in.queue {
				n.drop(t)
			}
		}
		close(n.done)
	}()
	n.clock.start()
	loop := n.rounds
	if n.stage.Role == graph.Source {
		loop = n.produce
	}
	if err := n.guard(loop); err != nil {
		n.run.fail(err)
	}
	returned = true
}

// guard turns a panic into an error and puts the stack into the log.
func (n *node) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			n.log.Error().Str("stack", string(debug.Stack())).Msgf("panic: %v", p)
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// rounds fires until the input ends.
func (n *node) rounds() error {
	ctx := n.run.ctx
	for more := true; more; {
		n.clock.enter(starved)
		for len(n.held) < n.micro && more {
			var err error
			if more, err = n.take(ctx); err != nil {
				return err
			}
		}
		if len(n.held) == 0 {
			return nil
		}
		if err := n.fire(ctx); err != nil {
			return err
		}
	}
	return nil
}

// take adds the tokens of the next frame to what is held. It reports false at the end of the
// stream.
func (n *node) take(ctx context.Context) (bool, error) {
	seq := int(n.frames.Load()) + len(n.held)
	tokens := make([]*token, len(n.inputs))
	for _, i := range n.order {
		in := n.inputs[i]
		if in.delay && seq == n.first { // nothing is on the edge yet
			tokens[i], in.initial = in.initial, nil
			continue
		}
		var t *token
		var ok bool
		select {
		case t, ok = <-in.queue:
		case <-ctx.Done():
		}
		if ctx.Err() != nil { // a queue may have been closed by a failure
			n.drop(t)
			n.dropAll(tokens)
			return false, context.Cause(ctx)
		}
		if !ok {
			n.dropAll(tokens)
			return false, nil
		}
		tokens[i] = t
	}
	n.held = append(n.held, held{tokens: tokens})
	return true, nil
}

// fire lets the stage work on the frames that are held, and sends what it makes of them. When the
// device runs out of memory, frames that were not sent yet are worked on again, half as many at a
// time: a stage is a function of its tokens, so nothing else changes. The smaller number stays.
func (n *node) fire(ctx context.Context) error {
	if err := n.leases(ctx); err != nil {
		return err
	}
	for len(n.held) > 0 {
		count := min(len(n.held), n.micro)
		err := n.attempt(ctx, count)
		_, full := errors.AsType[*kernels.OutOfMemoryError](err)
		if full && count > 1 {
			n.micro = count / 2
			n.log.Warn().Err(err).Int("micro", n.micro).Msg("out of device memory: fewer frames at a time from here on")
			continue
		}
		if full {
			live, _ := n.run.pool.counts()
			err = fmt.Errorf("%w; %d frames are resident, %d bytes planned for this stage", err, live, n.stats().Bound)
		}
		if err != nil {
			return n.at(int(n.frames.Load()), count, err)
		}
	}
	return nil
}

// leases gives each held frame its lease: the one that its tokens share, or a new one where the
// stage takes them.
func (n *node) leases(ctx context.Context) error {
	for i := range n.held {
		h := &n.held[i]
		for _, t := range h.tokens {
			if t != nil && t.lease != nil {
				h.lease = t.lease.share()
				break
			}
		}
		if n.stage.Lease && h.lease == nil {
			n.clock.enter(leasing)
			var err error
			if h.lease, err = n.run.pool.take(ctx, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// attempt fires on the first count held frames. Only when that succeeds are they dropped, and what
// came of them sent.
func (n *node) attempt(ctx context.Context, count int) error {
	seq := int(n.frames.Load())
	in := make([]any, count)
	for i := range in {
		in[i] = n.unpack(n.held[i].tokens)
	}
	start := n.clock.enter(busy)
	var out []any
	err := n.guard(func() (err error) { out, err = n.inst.Fire(ctx, in); return err })
	n.record(seq, count, start)
	var packed [][]*token
	if err == nil && n.stage.Role != graph.Sink {
		if packed, err = n.packAll(out, count); err == nil {
			if err = n.saveTokens(seq, packed); err != nil {
				n.discardAll(packed)
			}
		}
	} else if err == nil {
		err = n.savePlace(seq, count)
	}
	if err != nil {
		return err
	}
	n.dropHeld(count)
	n.clock.enter(blocked)
	for _, tokens := range packed {
		n.send(ctx, tokens)
	}
	n.frames.Add(int64(count))
	return nil
}

// send puts the tokens of one frame on their edges. What a cancelled run does not want any more is
// dropped; the next take sees the cause.
func (n *node) send(ctx context.Context, tokens []*token) {
	for i, t := range tokens {
		if t == nil {
			continue
		}
		for _, q := range n.outputs[i].edges {
			select {
			case q <- t:
			case <-ctx.Done():
				n.drop(t)
			}
		}
	}
}

// record counts a firing that began at start and ends now.
func (n *node) record(seq, count int, start time.Time) {
	now := time.Now()
	n.firings.Add(1)
	n.times.add(now.Sub(start)/time.Duration(count), count)
	n.run.trace.firing(n.index, seq, count, start, now)
	n.run.trace.counters(n, now)
	if fired := n.run.fired; fired != nil {
		fired(Firing{Stage: n.id, Frame: seq, Frames: count, Took: now.Sub(start), Stats: n.stats()})
	}
}

// at says where an error happened.
func (n *node) at(seq, count int, err error) error {
	if count > 1 {
		return fmt.Errorf("%s: frames %d to %d: %w", n.id, seq, seq+count-1, err)
	}
	return fmt.Errorf("%s: frame %d: %w", n.id, seq, err)
}

// drop gives up this node's share of a token.
func (n *node) drop(t *token) {
	if t == nil {
		return
	}
	if err := n.guard(func() error { t.drop(); return nil }); err != nil {
		n.run.fail(fmt.Errorf("%s: release: %w", n.id, err))
	}
}

func (n *node) dropAll(tokens []*token) {
	for _, t := range tokens {
		n.drop(t)
	}
}

// dropInitial drops what a run that goes on has given to inputs that never came to take it.
func (n *node) dropInitial() {
	for _, in := range n.inputs {
		n.drop(in.initial)
		in.initial = nil
	}
}

// dropHeld ends the round's claim on the inputs of its first frames.
func (n *node) dropHeld(count int) {
	for _, h := range n.held[:count] {
		n.dropAll(h.tokens)
		h.lease.drop()
	}
	n.held = append(n.held[:0], n.held[count:]...)
}

package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
)

// A source runs on its own account and hands its frames to emit, which is where the run meets it:
// emit blocks for backpressure and tells the source to stop. From the call on a frame belongs to
// the run, also when emit refuses it.
//
// A stream can end in four ways. The source is through; it found its input cut short
// (graph.Incomplete: what came before is complete, and so are the outputs); it was asked to finish
// (graph.ErrDrained: frames in flight complete); or it failed. In the first three the closed queues
// carry the end to the sinks behind the last frame.
//
// A source numbers its frames itself, where it reads them: its errors get the stage's name, but no
// second number.

// emitter is what a source sees of the run.
type emitter struct {
	*node
	lease    *lease    // of the next frame, where the source takes leases
	start    time.Time // when work on the next frame began
	refused  error     // what emit answered; it stands even if the source forgets it
	replayed int       // frames that were let go because they are done
}

// produce runs a source to its end.
func (n *node) produce() error {
	e := &emitter{node: n, replayed: n.skipped}
	defer func() { e.lease.drop() }()
	ctx := n.run.ctx
	err := e.prepare(ctx)
	if err == nil {
		returned := false
		err = n.guard(func() (err error) {
			err = n.inst.Run(ctx, e.emit)
			returned = true
			return err
		})
		if !returned {
			err = fmt.Errorf("frame %d: %w", n.frames.Load(), err)
		}
	}
	if err == nil || errors.Is(err, e.refused) {
		err = e.refused
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		return nil
	}
	if err = fmt.Errorf("%s: %w", n.id, err); errors.Is(err, graph.ErrDrained) {
		n.run.ended(err, graph.ErrDrained)
	} else if graph.KindOf(err) == graph.Incomplete {
		n.run.ended(err, nil)
	} else {
		return err
	}
	return nil
}

// prepare gets the lease of the next frame before the source allocates anything for it.
func (e *emitter) prepare(ctx context.Context) (err error) {
	if e.stage.Lease {
		e.clock.enter(leasing)
		e.lease, err = e.run.pool.take(ctx, e.run.drain)
	}
	e.start = e.clock.enter(busy)
	return err
}

// emit sends one frame on its way.
func (e *emitter) emit(out any) error {
	if e.refused == nil {
		e.refused = e.admit(out)
		return e.refused
	}
	tokens, err := e.pack(out, nil)
	if err == nil {
		e.discard(tokens)
	}
	return e.refused
}

// admit takes over a frame and puts it on the edges, or says why not.
func (e *emitter) admit(out any) error {
	ctx := e.run.ctx
	if e.replayed < e.first { // done before this run
		e.replayed++
		tokens, err := e.pack(out, nil)
		if err == nil {
			e.discard(tokens)
		}
		if closed(e.run.drain) {
			return graph.ErrDrained
		}
		return context.Cause(ctx)
	}
	tokens, err := e.pack(out, e.lease)
	e.lease.drop()
	e.lease = nil
	if err != nil {
		return fmt.Errorf("frame %d: %w", e.frames.Load(), err)
	}
	if closed(e.run.drain) {
		e.discard(tokens)
		return graph.ErrDrained
	}
	e.record(int(e.frames.Load()), 1, e.start)
	e.clock.enter(blocked)
	e.send(ctx, tokens)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := e.savePlace(int(e.frames.Load()), 1); err != nil {
		return err
	}
	e.frames.Add(1)
	return e.prepare(ctx)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// ended notes how the source's stream ended: the error of the run, and the cause that stages are
// closed with.
func (r *run) ended(err, cause error) { r.end, r.endCause = err, cause }

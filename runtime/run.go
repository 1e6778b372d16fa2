// Package runtime runs a plan. It names no stage and no operation: it moves tokens between stages,
// bounds what is resident on the device, and says where the time went.
//
// The vocabulary is that of github.com/reugn/go-streams: sources, flows and sinks joined by
// channels. Components of that library run inside a plan as they are, through package gostreams.
// What the library lacks is here: joins of several typed inputs by frame, bounded edges, errors and
// panics that name their stage, cancellation, delay edges (node.go), residency leases (lease.go),
// counted tokens (token.go), metrics (stats.go) and a trace (trace.go).
package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
)

// Options control a run. The zero value is valid.
type Options struct {
	Drain    <-chan struct{} // closing it ends the source; frames in flight complete
	Progress func(Snapshot)  // called every Every, and once at the end
	Every    time.Duration   // 200 ms when 0
	Trace    io.Writer       // gets the firings as Chrome trace events, for Perfetto
	Fired    func(Firing)    // called after each firing, by its stage's goroutine

	CheckpointEvery int                     // frames; 0 for none
	Checkpoint      func(*Checkpoint) error // gets every one, in order
	Resume          *Checkpoint             // where to go on, nil for the beginning

	watch func(live int) // for tests: frames resident, at each change
}

// Firing is what has just happened in a stage.
type Firing struct {
	Stage  string
	Frame  int // the first
	Frames int // how many
	Took   time.Duration
	Stats  StageStats // of the stage, up to now
}

// run is one execution of a plan.
type run struct {
	plan   *graph.Plan
	env    *graph.Env
	micro  int
	drain  <-chan struct{}
	nodes  []*node
	space  *kernels.Workspace // that the arenas share, nil where each has its own
	arenas []*kernels.Arena   // of the stages that have one
	resume *Checkpoint

	checkpoints *checkpoints // nil: none are made
	pool        *pool
	trace       *trace
	fired       func(Firing)
	start       time.Time
	ctx         context.Context
	cancel      context.CancelCauseFunc
	failed      atomic.Bool // some node was cut short

	end, endCause error // set by the source at an end that is neither a failure nor all of the input
}

// Run opens the stages of a plan, passes all frames through them and closes them. The first error
// ends the run and is returned, with the stage and the frame it happened at. env gives every stage
// its world; its Batch and Micro count, 1 when unset. The report is never nil.
//
// Each opened stage is closed once, after its last firing, in reverse order of opening. The cause
// it is given is nil when every frame has passed, even if the source found its input incomplete,
// which Run returns then; graph.ErrDrained after a request to finish, which Run returns as well;
// otherwise the error that ended the run.
func Run(ctx context.Context, plan *graph.Plan, env *graph.Env, o Options) (*Report, error) {
	r := &run{plan: plan, env: env, micro: max(env.Micro, 1), drain: o.Drain, pool: newPool(max(env.Batch, 1)), trace: newTrace(o.Trace, plan), fired: o.Fired, resume: o.Resume}
	r.pool.watch = o.watch
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	if err := r.check(plan); err != nil {
		return r.report(), err
	}
	if err := r.open(plan); err != nil {
		return r.report(), r.close(err, err)
	}
	if err := r.begin(o); err != nil {
		for _, n := range r.nodes {
			n.dropInitial()
		}
		return r.report(), r.close(err, err)
	}
	r.connect(plan)
	r.execute(o)
	report := r.report()
	cause, err := r.endCause, r.end
	if r.failed.Load() {
		cause = context.Cause(r.ctx)
		err = cause
	}
	return report, join(r.close(err, cause), r.trace.close())
}

// check refuses plans that cannot run.
func (r *run) check(plan *graph.Plan) error {
	taker := ""
	for _, n := range plan.Nodes {
		if n.Stage.Lease && r.pool.used {
			return graph.Errorf(graph.BadConfig, "%s: leases are already taken by %s, a frame has only one", n.ID, taker)
		}
		if n.Stage.Lease {
			r.pool.used, taker = true, n.ID
		}
		now := n.Stage.Role == graph.Source
		for _, e := range n.In {
			now = now || e != nil && e.Delay == 0
		}
		if !now {
			return graph.Errorf(graph.BadConfig, "%s: no input brings the current frame", n.ID)
		}
	}
	if batch := cap(r.pool.leases); r.pool.used && r.micro > batch {
		return graph.Errorf(graph.BadConfig, "a micro-batch of %d frames does not fit into a batch of %d", r.micro, batch)
	}
	return nil
}

// reserve takes the device memory of all stages, before any of them opens. Without room for it the
// error is a NoRoomError: a smaller plan may fit.
func (r *run) reserve(plan *graph.Plan) (map[*graph.PlanNode]*kernels.Arena, error) {
	arenas := map[*graph.PlanNode]*kernels.Arena{}
	if plan.Workspace > 0 {
		var err error
		if r.space, err = kernels.NewWorkspace(r.env.Device, plan.Workspace); err != nil {
			return nil, noRoom(err)
		}
	}
	for _, p := range plan.Nodes {
		if p.Arena == nil {
			continue
		}
		a, err := kernels.NewArena(r.env.Device, p.ID, *p.Arena, r.space)
		if err != nil {
			return nil, noRoom(err)
		}
		arenas[p] = a
		r.arenas = append(r.arenas, a)
	}
	return arenas, nil
}

// noRoom makes a NoRoomError of an error that says that the device is full.
func noRoom(err error) error {
	if _, full := errors.AsType[*kernels.OutOfMemoryError](err); full {
		return &NoRoomError{err}
	}
	return err
}

// NoRoomError says that the device could not give what the plan needs. Nothing has been opened or
// written.
type NoRoomError struct{ err error }

func (e *NoRoomError) Error() string { return e.err.Error() }
func (e *NoRoomError) Unwrap() error { return e.err }

// open makes the nodes and their stages' instances.
func (r *run) open(plan *graph.Plan) error {
	arenas, err := r.reserve(plan)
	if err != nil {
		return err
	}
	for i, p := range plan.Nodes {
		n := newNode(r, i, p)
		env := *r.env
		env.Stage, env.Log, env.Batch, env.Micro, env.Drain = p.ID, n.log, cap(r.pool.leases), r.micro, r.drain
		if n.arena = arenas[p]; n.arena != nil {
			env.Device = n.arena
		}
		if r.resume != nil {
			env.Resume = r.resume.Places[p.ID]
		}
		err := n.guard(func() (err error) {
			n.inst, err = p.Stage.Open(&env, p.Options)
			return err
		})
		n.saves, n.skipped = env.Save, env.First
		if err == nil && (n.inst == nil || (n.inst.Run != nil) != (p.Stage.Role == graph.Source) || (n.inst.Fire != nil) == (n.inst.Run != nil)) {
			err = fmt.Errorf("stage %q opened without what a %v needs", p.Stage.Name, p.Stage.Role)
		}
		if n.inst != nil {
			r.nodes = append(r.nodes, n)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.ID, err)
		}
	}
	return nil
}

// begin settles where the run begins and where it can be resumed.
func (r *run) begin(o Options) error {
	if err := r.prepare(o); err != nil || o.Resume == nil {
		return err
	}
	return r.restore(o.Resume)
}

// connect makes the edges of the plan: the queue of an input port, handed to the output that feeds
// it.
func (r *run) connect(plan *graph.Plan) {
	node := map[*graph.PlanNode]*node{}
	for _, n := range r.nodes {
		node[n.plan] = n
	}
	for _, e := range plan.Edges {
		out := node[e.From].outputs[e.FromPort]
		for _, in := range node[e.To].inputs {
			if in.index == e.ToPort {
				out.edges = append(out.edges, in.queue)
			}
		}
	}
}

// execute runs every node to its end.
func (r *run) execute(o Options) {
	r.start = time.Now()
	r.trace.begin(r.start)
	var progress sync.WaitGroup
	over := make(chan struct{})
	if o.Progress != nil {
		progress.Go(func() { r.follow(o.Progress, o.Every, over) })
	}
	for _, n := range r.nodes {
		go n.main()
	}
	for _, n := range r.nodes {
		<-n.done
	}
	close(over)
	progress.Wait()
}

// follow reports progress until the run is over.
func (r *run) follow(progress func(Snapshot), every time.Duration, over <-chan struct{}) {
	if every <= 0 {
		every = 200 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			progress(r.snapshot())
		case <-over:
			progress(r.snapshot())
			return
		}
	}
}

// fail ends the run. The first error is the cause, also against a cancellation from outside.
func (r *run) fail(err error) {
	r.cancel(err)
	r.failed.Store(true)
}

// close closes what was opened, and returns err with the errors of closing behind it. By now every
// token has been dropped: an arena with something left in it is one that a stage has kept.
func (r *run) close(err, cause error) error {
	for i := len(r.nodes) - 1; i >= 0; i-- {
		n := r.nodes[i]
		if n.inst.Close == nil {
			continue
		}
		if e := n.guard(func() error { return n.inst.Close(cause) }); e != nil {
			err = join(err, fmt.Errorf("%s: close: %w", n.id, e))
		}
	}
	for _, a := range r.arenas {
		err = join(err, a.Close())
	}
	if r.space != nil {
		r.space.Close()
	}
	return err
}

// join is errors.Join that leaves a single error as it is.
func join(a, b error) error {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return errors.Join(a, b)
}

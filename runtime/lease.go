package runtime

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Bounded edges alone do not bound what is on the device: five stages over edges of four tokens
// hold more than twenty frames. So a frame must own one of Batch leases from before its first
// device allocation until its last transient device token is released. The stage that is marked
// with Lease takes it, the tokens share it, and tokens that a stage derives from a leased token
// share it too. State tokens live in memory of their own and have no part in it: a memory that
// outlives its frame would otherwise keep the lease for ever.
//
// There is one stage that takes leases, and it takes them in the order of the frames. A frame waits
// for a lease only while earlier ones hold all of them, and earlier frames never wait for later
// ones, with one exception: a gather waits until micro frames have come. Hence micro must not
// exceed batch.

// pool holds the leases.
type pool struct {
	leases chan struct{} // a buffer of Batch, full when all are in use
	used   bool          // some stage takes leases

	mu         sync.Mutex
	live, peak int
	watch      func(live int) // for tests, called under mu at every change
}

func newPool(batch int) *pool { return &pool{leases: make(chan struct{}, batch)} }

// take waits for a lease and returns it with one share. A request to drain ends the waiting; drain
// may be nil.
func (p *pool) take(ctx context.Context, drain <-chan struct{}) (*lease, error) {
	select {
	case p.leases <- struct{}{}:
	case <-drain:
		return nil, graph.ErrDrained
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	p.change(+1)
	l := &lease{pool: p}
	l.shares.Store(1)
	return l, nil
}

func (p *pool) change(by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live += by
	p.peak = max(p.peak, p.live)
	if p.watch != nil {
		p.watch(p.live)
	}
}

// counts returns the frames resident now and the most there were.
func (p *pool) counts() (live, peak int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live, p.peak
}

// lease is the right of one frame to device memory. A nil lease is that of a frame that needs none.
type lease struct {
	pool   *pool
	shares atomic.Int32
}

// share adds a holder.
func (l *lease) share() *lease {
	if l != nil {
		l.shares.Add(1)
	}
	return l
}

// drop takes a holder away. The last one returns the lease.
func (l *lease) drop() {
	if l != nil && l.shares.Add(-1) == 0 {
		l.pool.change(-1)
		<-l.pool.leases
	}
}

package kernels

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// An Arena is the device memory of one stage, and all it will ever get. It has two parts.
// Temporaries live in a workspace and are gone when the firing ends. Results outlive it: they go
// into slots, a fixed number of each size, so that the order in which others give them back cannot
// leave holes. A stage whose firings always ask for the same in the same order therefore always
// finds room, and one that asks for a byte more than was planned gets an error.
//
// Several arenas may have one workspace together. Then it is of one of them at a time: from its
// first temporary, or the beginning of a Scope, to the last. The others wait.
//
// How much an arena needs is measured, not guessed: one over a device that computes nothing, made
// with Measure, hands out whatever is asked for, places temporaries as a real one would, and
// remembers the most there was.
type Arena struct {
	Device
	name string

	limits *Reserve // nil: measuring
	space  *Workspace
	own    bool    // nobody else has the workspace
	base   *Tensor // u8, the slots

	turn   sync.Mutex // of inside
	inside int        // temporaries and scopes for which the workspace is ours

	mu    sync.Mutex // of what follows
	work  region
	slots map[int]*slots // by size
	live  int            // bytes handed out now
	high  int            // and at most
	kept  int            // bytes of results now
	most  int            // and at most
	need  Reserve        // measured so far

	sizes map[*Tensor]int // measuring: results and their sizes
}

// Reserve is what an arena holds.
type Reserve struct {
	Work    int         // bytes of temporaries
	Results map[int]int // slots for results, by their size in bytes
}

// Bytes returns the size of an arena for it.
func (r Reserve) Bytes() int {
	n := r.Work
	for size, count := range r.Results {
		n += size * count
	}
	return n
}

// grain is what sizes are rounded up to: a cache line, and what vector instructions like to be
// aligned to.
const grain = 64

func grains(n int) int { return (n + grain - 1) &^ (grain - 1) }

// slots are the places of results of one size.
type slots struct {
	free []int // offsets in the block, the next to be used last
	used int   // when measuring: how many there are now
}

// Workspace is memory for temporaries.
type Workspace struct {
	dev  Device
	base *Tensor
	turn chan struct{} // holds a token while an arena has temporaries in it
}

// NewWorkspace takes memory from a device for arenas to share.
func NewWorkspace(dev Device, bytes int) (*Workspace, error) {
	base, err := dev.Alloc(U8, max(bytes, 1))
	if err != nil {
		return nil, fmt.Errorf("a workspace of %d bytes: %w", bytes, err)
	}
	return &Workspace{dev: dev, base: base, turn: make(chan struct{}, 1)}, nil
}

// Close gives the memory back, after the arenas.
func (w *Workspace) Close() { w.dev.Free(w.base) }

// NewArena takes the memory that a reserve asks for from a device. The name is for messages.
// Temporaries go into shared, which has to be large enough, or with nil into a workspace of the
// arena's own.
func NewArena(dev Device, name string, r Reserve, shared *Workspace) (*Arena, error) {
	results := r.Bytes() - r.Work
	base, err := dev.Alloc(U8, max(results, 1))
	if err != nil {
		return nil, fmt.Errorf("%s: an arena of %d bytes: %w", name, results, err)
	}
	a := &Arena{Device: dev, name: name, limits: &r, space: shared, own: shared == nil, base: base, work: newRegion(r.Work), slots: map[int]*slots{}}
	if a.own {
		if a.space, err = NewWorkspace(dev, r.Work); err != nil {
			dev.Free(base)
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	at := 0
	for _, size := range slices.Sorted(maps.Keys(r.Results)) {
		s := &slots{}
		for i := range r.Results[size] {
			s.free = append(s.free, at+(r.Results[size]-1-i)*size)
		}
		a.slots[size] = s
		at += size * r.Results[size]
	}
	return a, nil
}

// Measure returns an arena without limits that finds out what a stage needs.
func Measure(dev Device, name string) *Arena {
	return &Arena{Device: dev, name: name, work: newRegion(1 << 50), slots: map[int]*slots{}, sizes: map[*Tensor]int{}, need: Reserve{Results: map[int]int{}}}
}

// Need returns what was asked for at most.
func (a *Arena) Need() Reserve {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Reserve{Work: grains(a.work.high), Results: maps.Clone(a.need.Results)}
}

// Bytes returns the size of the arena.
func (a *Arena) Bytes() int {
	if a.limits == nil {
		return 0
	}
	return a.limits.Bytes()
}

// Live returns the bytes handed out now, and the most there were at any time.
func (a *Arena) Live() (now, high int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.live, a.high
}

// Peaks returns the most bytes of results that there were, and of temporaries with the holes
// between them.
func (a *Arena) Peaks() (results, work int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.most, a.work.high
}

// Enter waits until the workspace is the arena's, which it then is until as many calls of Leave.
func (a *Arena) Enter() {
	if a.limits == nil {
		return
	}
	a.turn.Lock()
	defer a.turn.Unlock()
	if a.inside == 0 {
		a.space.turn <- struct{}{}
	}
	a.inside++
}

// Leave undoes an Enter.
func (a *Arena) Leave() {
	if a.limits == nil {
		return
	}
	a.turn.Lock()
	defer a.turn.Unlock()
	if a.inside--; a.inside == 0 {
		<-a.space.turn
	}
}

// Unwrap returns the device that has the memory.
func (a *Arena) Unwrap() Device { return a.Device }

// Alloc returns a temporary.
func (a *Arena) Alloc(dt DType, shape ...int) (*Tensor, error) { return a.take(false, dt, shape) }

// AllocResult returns a tensor that may outlive the firing.
func (a *Arena) AllocResult(dt DType, shape ...int) (*Tensor, error) { return a.take(true, dt, shape) }

func (a *Arena) take(result bool, dt DType, shape []int) (*Tensor, error) {
	t := &Tensor{DType: dt, Shape: slices.Clone(shape)}
	size := grains(t.Bytes())
	if a.limits == nil {
		return a.measure(result, size, t)
	}
	base := a.base
	if !result {
		a.Enter() // before mu: whoever has the workspace may free our results
		base = a.space.base
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at, ok := 0, false
	if !result {
		at, ok = a.work.take(size)
	} else if s := a.slots[size]; s != nil && len(s.free) > 0 {
		at, s.free, ok = s.free[len(s.free)-1], s.free[:len(s.free)-1], true
	}
	if !ok {
		if !result {
			a.Leave()
		}
		return nil, &ArenaError{Arena: a.name, Result: result, Asked: size, Live: a.live, Size: a.limits.Bytes()}
	}
	t.Buf, t.Off = base.Buf, at/dt.Size()
	a.count(size, result)
	return t, nil
}

// measure takes a tensor from the device below, and a place where a real arena would put it.
func (a *Arena) measure(result bool, size int, t *Tensor) (*Tensor, error) {
	below, err := a.Device.Alloc(t.DType, t.Shape...)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count(size, result)
	if !result {
		at, _ := a.work.take(size)
		a.sizes[below] = -1 - at
		return below, nil
	}
	a.sizes[below] = size
	s := a.slots[size]
	if s == nil {
		s = &slots{}
		a.slots[size] = s
	}
	s.used++
	a.need.Results[size] = max(a.need.Results[size], s.used)
	return below, nil
}

func (a *Arena) count(size int, result bool) {
	a.live += size
	a.high = max(a.high, a.live)
	if result {
		a.kept += size
		a.most = max(a.most, a.kept)
	}
}

// Free gives a tensor back. Freeing nil or a view does nothing.
func (a *Arena) Free(t *Tensor) {
	if t == nil || t.View || t.Buf == nil {
		return
	}
	size := grains(t.Bytes())
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.limits == nil {
		place, ok := a.sizes[t]
		if !ok {
			return
		}
		delete(a.sizes, t)
		a.live -= size
		if place < 0 {
			a.work.give(-1-place, size)
		} else {
			a.slots[size].used--
			a.kept -= size
		}
		a.Device.Free(t)
		return
	}
	at, temporary := t.Off*t.DType.Size(), t.Buf == a.space.base.Buf
	t.Buf = nil
	a.live -= size
	if temporary {
		a.work.give(at, size)
		a.Leave()
	} else {
		s := a.slots[size]
		s.free = append(s.free, at)
		a.kept -= size
	}
}

// Close gives the memory back to the device. What is still handed out is an error.
func (a *Arena) Close() error {
	now, _ := a.Live()
	a.Device.Free(a.base)
	if a.own {
		a.space.Close()
	}
	if now > 0 {
		return fmt.Errorf("%s: closed with %d bytes not given back", a.name, now)
	}
	return nil
}

// ArenaError says that a stage asked for more than was planned for it, which is a mistake in the
// plan.
type ArenaError struct {
	Arena             string
	Result            bool // a result; else a temporary
	Asked, Live, Size int  // bytes
}

func (e *ArenaError) Error() string {
	what := "a temporary"
	if e.Result {
		what = "a result"
	}
	return fmt.Sprintf("%s: %s of %d bytes does not fit: %d of the planned %d bytes are in use", e.Arena, what, e.Asked, e.Live, e.Size)
}

// region places spans in a range of bytes: each in the first hole that is large enough.
type region struct {
	holes []hole // ascending, apart
	high  int    // end of the last byte ever used
}

type hole struct{ at, size int }

func newRegion(size int) region { return region{holes: []hole{{0, size}}} }

func (r *region) take(size int) (at int, ok bool) {
	for i := range r.holes {
		h := &r.holes[i]
		if h.size < size {
			continue
		}
		at = h.at
		h.at, h.size = h.at+size, h.size-size
		if h.size == 0 {
			r.holes = slices.Delete(r.holes, i, i+1)
		}
		r.high = max(r.high, at+size)
		return at, true
	}
	return 0, false
}

func (r *region) give(at, size int) {
	i, _ := slices.BinarySearchFunc(r.holes, at, func(h hole, at int) int { return h.at - at })
	r.holes = slices.Insert(r.holes, i, hole{at, size})
	if i+1 < len(r.holes) && at+size == r.holes[i+1].at {
		r.holes[i].size += r.holes[i+1].size
		r.holes = slices.Delete(r.holes, i+1, i+2)
	}
	if i > 0 && r.holes[i-1].at+r.holes[i-1].size == at {
		r.holes[i-1].size += r.holes[i].size
		r.holes = slices.Delete(r.holes, i, i+1)
	}
}

package cuda

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// A frame takes some hundred launches, most of which take the GPU less time than they take the
// processor. So the ops of a scope are recorded first, and queued together. A tracker does the same
// on every frame: its memory is planned, so the same launches come again with the same addresses,
// and only as many different ones as there are slots for results. Launches that come the second
// time are captured as a CUDA graph, which from then on is queued in one call.

// batch is the launches of one scope that are not queued yet.
type batch struct {
	d        *Device
	launches []recorded
	text     []byte // all of it: kernels, extents, arguments
	err      error
}

// recorded is one launch. Its arguments are in the text of the batch.
type recorded struct {
	kernel      string
	grid, block dim
	shared      int
	at, size    int
}

// Batch implements kernels.Batcher.
func (d *Device) Batch() kernels.Batch { return &batch{d: d} }

// Do records the op's launches.
func (b *batch) Do(op kernels.Op, scratch *kernels.Tensor) error {
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	b.d.graphs.opened(b)
	b.d.target = b
	if scratch != nil {
		b.d.borrowed = block{address(scratch), scratch.Bytes()}
	}
	defer func() { b.d.target, b.d.borrowed = nil, block{} }()
	return b.d.do(op)
}

// mostLaunches are queued together, so that the GPU begins before all of a long computation is
// recorded.
const mostLaunches = 48

func (b *batch) record(kernel string, grid, block dim, shared int, args []byte) error {
	b.text = append(b.text, kernel...)
	for _, n := range [...]int{grid.x, grid.y, grid.z, block.x, block.y, block.z, shared, len(args)} {
		b.text = binary.LittleEndian.AppendUint32(b.text, uint32(n))
	}
	b.launches = append(b.launches, recorded{kernel, grid, block, shared, len(b.text), len(args)})
	b.text = append(b.text, args...)
	if len(b.launches) < mostLaunches {
		return nil
	}
	err := b.submit()
	b.launches, b.text = b.launches[:0], b.text[:0]
	return err
}

// Flush queues the launches.
func (b *batch) Flush() error {
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	return b.flush()
}

// fewLaunches are not worth a graph.
const fewLaunches = 4

func (b *batch) flush() error {
	delete(b.d.graphs.open, b)
	if b.err == nil {
		b.err = b.submit()
	}
	b.launches, b.text = b.launches[:0], b.text[:0]
	return b.err
}

func (b *batch) submit() error {
	if len(b.launches) < fewLaunches {
		return b.queue()
	}
	g := b.d.graphs.find(b.text)
	if g.captured == nil && g.seen > 1 {
		own := batch{d: b.d, launches: append([]recorded(nil), b.launches...), text: append([]byte(nil), b.text...)}
		var err error
		if g.captured, err = b.d.be.capture(own.queue); err != nil {
			return err
		}
	}
	if g.captured != nil {
		return b.d.be.replay(g.captured)
	}
	return b.queue()
}

// queue launches one kernel after the other.
func (b *batch) queue() error {
	for _, l := range b.launches {
		if err := b.d.be.launch(l.kernel, l.grid, l.block, l.shared, unsafe.Pointer(&b.text[l.at]), uintptr(l.size)); err != nil {
			return err
		}
	}
	return nil
}

// graphs are batches that came before, by their text.
type graphs struct {
	open map[*batch]struct{} // batches that something is recorded in
	all  map[string]*graph
}

// graph is a batch that was seen, and captured when it was seen again.
type graph struct {
	seen     int
	captured captured
}

// mostGraphs is how many different batches are remembered. A run has some dozens.
const mostGraphs = 512

func (g *graphs) opened(b *batch) {
	if g.open == nil {
		g.open = map[*batch]struct{}{}
	}
	g.open[b] = struct{}{}
}

func (g *graphs) find(text []byte) *graph {
	if known := g.all[string(text)]; known != nil {
		known.seen++
		return known
	}
	if g.all == nil {
		g.all = map[string]*graph{}
	}
	for key, old := range g.all {
		if len(g.all) < mostGraphs {
			break
		}
		if old.captured == nil { // those that are replayed stay
			delete(g.all, key)
		}
	}
	fresh := &graph{seen: 1}
	if len(g.all) < mostGraphs {
		g.all[string(text)] = fresh
	}
	return fresh
}

func (g *graphs) close() (err error) {
	for _, known := range g.all {
		if known.captured != nil {
			err = errors.Join(err, known.captured.close())
		}
	}
	g.all = nil
	return err
}

package token

import (
	"sync/atomic"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
)

// Bank is the memory of every object after a frame, the state of the tracker. nil is the empty bank
// of a new stream. Memories are shared between the banks of successive frames and counted.
type Bank struct {
	Objects []*ObjectBank // ascending by object
}

// ObjectBank is what the tracker will ever read again of one object's past.
type ObjectBank struct {
	Object   int
	First    int       // frame of the first prompt
	Prompts  []*Memory // conditioning memories, ascending by frame
	Recent   []*Memory // memories that the policy retains, ascending by frame
	Newest   *Memory   // the frame of this bank when it is in neither list, else nil
	Pointers []*Memory // tracked frames whose pointers are still read, ascending by frame

	Attend []Slot // what the next frame attends to, as the policy chose; refers into the lists above
}

// Slot is one memory in the attention of the next frame.
type Slot struct {
	*Memory
	TPos int // index into maskmem_tpos_enc: 0 for the newest, num_maskmem-1 for a prompt
}

// Attended is the slot as memory attention takes it.
func (s Slot) Attended() sam2.Memory {
	return sam2.Memory{Features: s.Features.Tensor, TPos: s.TPos}
}

// Find returns the bank of an object, nil when it has none.
func (b *Bank) Find(object int) *ObjectBank {
	if b != nil {
		for _, o := range b.Objects {
			if o.Object == object {
				return o
			}
		}
	}
	return nil
}

// Latest returns the newest memory of the object.
func (o *ObjectBank) Latest() *Memory {
	newest := o.Newest
	for _, list := range [][]*Memory{o.Prompts, o.Recent} {
		if n := len(list); n > 0 && (newest == nil || list[n-1].Frame > newest.Frame) {
			newest = list[n-1]
		}
	}
	return newest
}

// Memory is one remembered frame of one object.
type Memory struct {
	Frame       int
	Features    *Shared // bf16 [S/16 * S/16, m]
	Pointer     *Shared // f32 [d]
	IoU         float32
	ObjectLogit float32
	KFScore     *float64
	Prompted    bool
}

// Shared is a tensor that the banks of several frames hold.
type Shared struct {
	*kernels.Tensor
	dev  kernels.Device
	refs atomic.Int32
}

// Share returns a tensor with one reference, which owns it.
func Share(dev kernels.Device, t *kernels.Tensor) *Shared {
	s := &Shared{Tensor: t, dev: dev}
	s.refs.Store(1)
	return s
}

// Retain adds a reference.
func (s *Shared) Retain() { s.refs.Add(1) }

// Release drops a reference; the last one frees the tensor.
func (s *Shared) Release() {
	if s.refs.Add(-1) == 0 {
		s.dev.Free(s.Tensor)
	}
}

// each calls do for everything that the bank holds a reference to. A tracked frame's pointer is
// read for longer than its features: each has a life of its own.
func (o *ObjectBank) each(do func(*Shared)) {
	for _, m := range o.Prompts {
		do(m.Features)
		do(m.Pointer)
	}
	for _, m := range o.Recent {
		do(m.Features)
	}
	if o.Newest != nil {
		do(o.Newest.Features)
	}
	for _, m := range o.Pointers {
		do(m.Pointer)
	}
}

// Retain adds the references of a new bank.
func (o *ObjectBank) Retain() { o.each((*Shared).Retain) }

// Release drops the bank's references.
func (b *Bank) Release() {
	for _, o := range b.Objects {
		o.each((*Shared).Release)
	}
}

// MemoryReport says for each object of a frame what became of its memory, for sinks.
type MemoryReport struct {
	*Header
	Objects []MemoryNote
}

// MemoryNote is one object's line of a MemoryReport.
type MemoryNote struct {
	Object int
	Valid  bool
	Reason string // why not, e.g. "predicted IoU 0.31 <= 0.5"; "" when valid
	Frames []int  // frames in the bank after this one, ascending: prompts, then recent
}

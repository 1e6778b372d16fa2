package token

import (
	"sync/atomic"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Bank is the memory of every object after a frame, the state of the tracker. nil is the empty bank of a new stream.
// Memories are shared between the banks of successive frames and counted.
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

// Memory is one remembered frame of one object.
type Memory struct {
	Frame       int
	Features    *kernels.Tensor // bf16 [S/16 * S/16, 64]
	Pointer     *kernels.Tensor // f32 [256]
	IoU         float32
	ObjectLogit float32
	KFScore     *float64
	Prompted    bool
	dev         kernels.Device
	refs        atomic.Int32
}

// NewMemory returns a memory with one reference, which owns its tensors.
func NewMemory(dev kernels.Device, frame int, features, pointer *kernels.Tensor) *Memory {
	m := &Memory{Frame: frame, Features: features, Pointer: pointer, dev: dev}
	m.refs.Store(1)
	return m
}

// Retain adds a reference.
func (m *Memory) Retain() *Memory { m.refs.Add(1); return m }

// Release drops a reference; the last one frees the tensors.
func (m *Memory) Release() {
	if m.refs.Add(-1) == 0 {
		m.dev.Free(m.Features)
		m.dev.Free(m.Pointer)
	}
}

// Release drops the bank's references.
func (b *Bank) Release() {
	for _, o := range b.Objects {
		for _, list := range [][]*Memory{o.Prompts, o.Recent, o.Pointers} {
			for _, m := range list {
				m.Release()
			}
		}
		if o.Newest != nil {
			o.Newest.Release()
		}
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

package cpu

// #include <stdlib.h>
// #include <sys/mman.h>
//
// // Large blocks lie on huge pages where the system has them: matrices walk over many rows at once.
// static void *block(size_t size) {
//     size_t huge = 2 << 20;
//     void *p = 0;
//     if (posix_memalign(&p, size < 2 * huge ? 64 : huge, size)) return 0;
// #ifdef MADV_HUGEPAGE
//     if (size >= 2 * huge) madvise(p, size, MADV_HUGEPAGE);
// #endif
//     return p;
// }
import "C"

import (
	"fmt"
	"math/bits"
	"sync"
	"unsafe"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// cacheLimit bounds the freed memory that is kept for reuse.
const cacheLimit = 256 << 20

// A heap is where blocks of memory come from. Each has a size that the heap rounds to.
type heap interface {
	round(size int) int
	// get returns a block of a rounded size, nil if there is none. The address is a multiple of
	// align, at most 64.
	get(size, align int) unsafe.Pointer
	put(p unsafe.Pointer, size int)
}

// cHeap is C's. Every block is aligned to 64 bytes.
type cHeap struct{}

func (cHeap) round(size int) int             { return class(size) }
func (cHeap) get(size, _ int) unsafe.Pointer { return C.block(C.size_t(size)) }
func (cHeap) put(p unsafe.Pointer, _ int)    { C.free(p) }

// memory hands out blocks of a heap. Up to keep bytes of freed blocks are kept by size and reused,
// so that a steady stream of frames makes no system calls and touches no fresh pages. With keep 0
// every block is a new one.
type memory struct {
	heap    heap
	keep    int
	mu      sync.Mutex
	live    int // bytes of tensors not freed, as asked for
	peak    int
	tensors int
	cached  int // bytes in free
	free    map[int][]unsafe.Pointer
	scratch map[int]scratch // by worker
	closed  bool            // nothing is kept any more
}

type scratch struct {
	p    unsafe.Pointer
	size int
}

// buffer is the memory of one tensor.
type buffer struct {
	p    unsafe.Pointer // nil once freed
	size int            // bytes asked for
}

func (b *buffer) Bytes() int { return b.size }

// class rounds a size up so that a quarter of a power of two separates neighbours: at most 25 % is
// wasted.
func class(size int) int {
	if size <= 256 {
		return 256
	}
	step := 1 << (bits.Len(uint(size-1)) - 3)
	return (size + step - 1) &^ (step - 1)
}

func (m *memory) alloc(size int) (*buffer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.heap.round(size)
	var p unsafe.Pointer
	if l := m.free[c]; len(l) > 0 {
		p, m.free[c] = l[len(l)-1], l[:len(l)-1]
		m.cached -= c
	} else if p = m.heap.get(c, 1); p == nil { // the kernels ask no more of a tensor than that its elements are aligned
		return nil, &kernels.OutOfMemoryError{Device: "cpu", Asked: size, Live: m.live}
	}
	m.tensors++
	m.live += size
	m.peak = max(m.peak, m.live)
	return &buffer{p, size}, nil
}

func (m *memory) release(b *buffer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b.p == nil {
		return
	}
	m.tensors--
	m.live -= b.size
	if c := m.heap.round(b.size); m.cached+c <= m.keep && !m.closed {
		if m.free == nil {
			m.free = map[int][]unsafe.Pointer{}
		}
		m.free[c] = append(m.free[c], b.p)
		m.cached += c
	} else {
		m.heap.put(b.p, c)
	}
	b.p = nil
}

// workspace returns at least size bytes, aligned for vectors, that belong to one worker until it
// asks again. The content is undefined.
func (m *memory) workspace(worker, size int) unsafe.Pointer {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.scratch[worker]
	if s.size < size || m.keep == 0 {
		if s.p != nil {
			m.heap.put(s.p, s.size)
		}
		c := m.heap.round(size)
		s = scratch{m.heap.get(c, 64), c}
		if s.p == nil {
			panic(fmt.Sprintf("cpu: out of memory: %d bytes of workspace", size))
		}
		if m.scratch == nil {
			m.scratch = map[int]scratch{}
		}
		m.scratch[worker] = s
	}
	return s.p
}

func (m *memory) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for size, l := range m.free {
		for _, p := range l {
			m.heap.put(p, size)
		}
	}
	for _, s := range m.scratch {
		m.heap.put(s.p, s.size)
	}
	m.free, m.scratch, m.cached, m.closed = nil, nil, 0, true
	if m.tensors > 0 {
		return fmt.Errorf("cpu: closed with %d bytes in %d tensors not freed", m.live, m.tensors)
	}
	return nil
}

// Live returns the bytes of the tensors that are allocated now.
func (d *Device) Live() int {
	d.mem.mu.Lock()
	defer d.mem.mu.Unlock()
	return d.mem.live
}

// Peak returns the largest number of bytes that Live has been.
func (d *Device) Peak() int {
	d.mem.mu.Lock()
	defer d.mem.mu.Unlock()
	return d.mem.peak
}

// Alloc returns a row-major tensor with undefined content.
func (d *Device) Alloc(dt kernels.DType, shape ...int) (*kernels.Tensor, error) {
	size := dt.Size()
	for _, n := range shape {
		if n < 0 || n > 0 && size > (1<<46)/n {
			return nil, fmt.Errorf("cpu: alloc %v%v: not a size", dt, shape)
		}
		size *= n
	}
	b, err := d.mem.alloc(size)
	if err != nil {
		return nil, err
	}
	return &kernels.Tensor{DType: dt, Shape: append([]int(nil), shape...), Buf: b}, nil
}

// Free returns the memory of a tensor. Freeing nil, a view or a tensor twice does nothing.
func (d *Device) Free(t *kernels.Tensor) {
	if t == nil || t.View || t.Buf == nil {
		return
	}
	d.mem.release(t.Buf.(*buffer))
}

// Upload copies host bytes into dst.
func (d *Device) Upload(dst *kernels.Tensor, src []byte) error {
	if len(src) != dst.Bytes() {
		return fmt.Errorf("cpu: upload %d bytes to %v, which has %d", len(src), dst, dst.Bytes())
	}
	copy(unsafe.Slice((*byte)(addr(dst)), len(src)), src)
	return nil
}

// Download copies the elements of src to the host.
func (d *Device) Download(dst []byte, src *kernels.Tensor) error {
	if len(dst) != src.Bytes() || src.Layout != kernels.RowMajor {
		return fmt.Errorf("cpu: download %v, which has %d bytes, to %d", src, src.Bytes(), len(dst))
	}
	copy(dst, unsafe.Slice((*byte)(addr(src)), len(dst)))
	return nil
}

// addr returns the address of a tensor's first element, nil for a nil tensor. A tensor of another
// device or one that has been freed is a mistake in the program.
func addr(t *kernels.Tensor) unsafe.Pointer {
	if t == nil {
		return nil
	}
	b := t.Buf.(*buffer)
	if b.p == nil {
		panic(fmt.Sprintf("cpu: %v is used after it was freed", t))
	}
	return unsafe.Add(b.p, t.Off*t.DType.Size())
}

// floats is addr as C wants it.
func floats(t *kernels.Tensor) *C.float { return (*C.float)(addr(t)) }

//go:build !cuda

package cuda

// #cgo CXXFLAGS: -O2 -std=c++20 -Wall -Wno-unused-function -Wno-unknown-pragmas
// #include <stdlib.h>
// #include "emulator_run.h"
import "C"

import (
	"embed"
	"errors"
	"sync"
	"unsafe"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// The kernels are embedded so that a change of one compiles the emulator anew.
//
//go:embed *.cu *.cuh
var sources embed.FS

// emulator runs the kernels on the processor. Its memory is C's.
type emulator struct {
	order uint64 // seeds the order in which the threads of a block run

	mu     sync.Mutex
	blocks map[uint64]int // sizes by address
}

// emulated is held while a kernel runs: the emulator has one block, and one set of fibers, for the
// whole process.
var emulated sync.Mutex

func newEmulator(order uint64) *emulator {
	return &emulator{order: order, blocks: map[uint64]int{}}
}

func (e *emulator) info() kernels.Info {
	return kernels.Info{Name: "cuda", Model: "emulator", ISA: "fibers", Threads: 1}
}

func (e *emulator) alloc(bytes int) (uint64, error) {
	if bytes > 1<<40 {
		return 0, &kernels.OutOfMemoryError{Device: "cuda", Asked: bytes}
	}
	p := C.emulator_alloc(C.size_t(bytes))
	if p == nil {
		return 0, &kernels.OutOfMemoryError{Device: "cuda", Asked: bytes}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.blocks[uint64(uintptr(p))] = bytes
	return uint64(uintptr(p)), nil
}

func (e *emulator) free(at uint64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.blocks[at]; !ok {
		return errors.New("emulator: freed what was not allocated")
	}
	delete(e.blocks, at)
	C.free(pointer(at))
	return nil
}

func (e *emulator) upload(dst uint64, src []byte) error {
	copy(unsafe.Slice((*byte)(pointer(dst)), len(src)), src)
	return nil
}

func (e *emulator) download(dst []byte, src uint64) error {
	copy(dst, unsafe.Slice((*byte)(pointer(src)), len(dst)))
	return nil
}

func (e *emulator) launch(kernel string, grid, block dim, shared int, args unsafe.Pointer, size uintptr) error {
	own := C.CBytes(unsafe.Slice((*byte)(args), size)) // the kernel may run on a fiber's stack: nothing of Go's there
	defer C.free(own)
	return emulate(kernel, grid, block, shared, own, size, e.order)
}

// emulate runs a kernel, or without args only looks whether it could be launched so.
func emulate(kernel string, grid, block dim, shared int, args unsafe.Pointer, size uintptr, order uint64) error {
	emulated.Lock()
	defer emulated.Unlock()
	name := C.CString(kernel)
	defer C.free(unsafe.Pointer(name))
	g, b := grid.c(), block.c()
	if wrong := C.emulator_launch(name, &g[0], &b[0], C.size_t(shared), args, C.size_t(size), C.uint64_t(order)); wrong != nil {
		return errors.New("emulator: " + C.GoString(wrong))
	}
	return nil
}

func (d dim) c() [3]C.uint { return [3]C.uint{C.uint(d.x), C.uint(d.y), C.uint(d.z)} }

// replayed is captured launches: the emulator keeps the function that makes them.
type replayed func() error

func (replayed) close() error { return nil }

func (e *emulator) capture(queue func() error) (captured, error) { return replayed(queue), nil }

func (e *emulator) replay(c captured) error { return c.(replayed)() }

func (e *emulator) sync() error  { return nil }
func (e *emulator) close() error { return nil }

// pointer is the C memory at an address.
func pointer(at uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }

//go:build !cuda

package cuda

import (
	"sync"
	"unsafe"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// NewDry returns a device that has the kernels of a GPU, launches them as one of so many
// multiprocessors would be launched, and computes nothing: a network that runs on it asks for
// nothing that a GPU could not do.
func NewDry(p Precision, processors int) *Device {
	d := newDevice(&dry{}, p)
	d.processors = processors
	return d
}

// dry is a backend whose memory is addresses alone, and whose kernels are looked up and do nothing.
type dry struct {
	mu   sync.Mutex
	next uint64 // address
}

func (d *dry) info() kernels.Info {
	return kernels.Info{Name: "cuda", Model: "dry", ISA: "none", Threads: 1}
}

func (d *dry) alloc(bytes int) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next += uint64(bytes+255)&^255 + 256
	return d.next, nil
}

func (d *dry) launch(kernel string, grid, block dim, shared int, _ unsafe.Pointer, size uintptr) error {
	return emulate(kernel, grid, block, shared, nil, size, 0)
}

func (d *dry) download(dst []byte, _ uint64) error {
	clear(dst)
	return nil
}

func (d *dry) free(uint64) error                            { return nil }
func (d *dry) upload(uint64, []byte) error                  { return nil }
func (d *dry) capture(queue func() error) (captured, error) { return replayed(queue), nil }
func (d *dry) replay(c captured) error                      { return c.(replayed)() }
func (d *dry) sync() error                                  { return nil }
func (d *dry) close() error                                 { return nil }

package cuda

import (
	"unsafe"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// backend is what runs the kernels: the driver of a GPU (driver.go), or the emulator on the
// processor (emulator.go). Everything it is asked to do happens in the order of the calls, from
// whichever goroutine, as on one CUDA stream.
type backend interface {
	info() kernels.Info

	// alloc returns the device address of a block aligned to 256 bytes, or a
	// *kernels.OutOfMemoryError.
	alloc(bytes int) (uint64, error)
	free(at uint64) error

	// upload copies host bytes to the device. src may be reused when it returns.
	upload(dst uint64, src []byte) error
	// download copies bytes to the host, after everything before it is done.
	download(dst []byte, src uint64) error

	// launch queues a kernel of a *.cu file by name. args points to the struct that it takes by
	// value.
	launch(kernel string, grid, block dim, shared int, args unsafe.Pointer, size uintptr) error

	// capture records the launches that queue makes, and does none of them.
	capture(queue func() error) (captured, error)
	// replay queues what was captured.
	replay(captured) error

	// sync waits for everything queued.
	sync() error
	close() error
}

// captured is launches that a backend can queue at once. Its close frees it.
type captured interface{ close() error }

// dim is the extent of a grid in blocks, or of a block in threads.
type dim struct{ x, y, z int }

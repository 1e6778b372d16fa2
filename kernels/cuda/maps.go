package cuda

import "github.com/seed49bbd0e6/tachi/kernels"

// Maps at half and at twice their size (maps.cu).

const mapThreads = 128

// vectors reports whether rows of c floats in all tensors can be read 16 bytes at a time: 1 or 0,
// for an argument.
func vectors(c int, ts ...*kernels.Tensor) int32 {
	if c%4 != 0 || !aligned(16, ts...) {
		return 0
	}
	return 1
}

// aligned reports whether all tensors begin at a multiple of n bytes.
func aligned(n uint64, ts ...*kernels.Tensor) bool {
	for _, t := range ts {
		if address(t)%n != 0 {
			return false
		}
	}
	return true
}

// perThread is how many floats a thread has with and without vectors.
func perThread(vectors int32) int { return 1 + 3*int(vectors) }

type maxPoolArgs struct {
	x, y    uint64
	h, w, c int32 // of y
	vectors int32
}

func (d *Device) maxPool(op kernels.MaxPool) error {
	b, h, w, c := op.Y.Dim(0), op.Y.Dim(1), op.Y.Dim(2), op.Y.Dim(3)
	v := vectors(c, op.X, op.Y)
	return launch(d, "max_pool", dim{ceil(w*c/perThread(v), mapThreads), h, b}, dim{mapThreads, 1, 1}, 0,
		maxPoolArgs{address(op.X), address(op.Y), int32(h), int32(w), int32(c), v})
}

type upsampleAddArgs struct {
	x, top, y uint64
	h, w, c   int32 // of top
	vectors   int32
}

func (d *Device) upsampleAdd(op kernels.UpsampleAdd) error {
	b, h, w, c := op.Top.Dim(0), op.Top.Dim(1), op.Top.Dim(2), op.Top.Dim(3)
	v := vectors(c, op.X, op.Top, op.Y)
	return launch(d, "upsample_add", dim{ceil(2*w*c/perThread(v), mapThreads), h, b}, dim{mapThreads, 1, 1}, 0,
		upsampleAddArgs{address(op.X), address(op.Top), address(op.Y), int32(h), int32(w), int32(c), v})
}

package cuda

import "github.com/seed49bbd0e6/tachi/kernels"

// Elementwise ops (element.cu): a grid of enough blocks, each thread one element after the other.

const elementThreads = 256

// elements returns the grid of an op on n elements, each thread taking one.
func elements(n int) dim { return dim{ceil(n, elementThreads), 1, 1} }

type addArgs struct {
	a, b, y uint64
	n, lb   int64 // elements of y and of b
	alpha   float32
}

func (d *Device) add(op kernels.Add) error {
	n := op.Y.Len()
	return launch(d, "add", elements(n), dim{elementThreads, 1, 1}, 0,
		addArgs{address(op.A), address(op.B), address(op.Y), int64(n), int64(op.B.Len()), op.Alpha})
}

type activateArgs struct {
	x, y        uint64
	n           int64
	act         int32
	scale, bias float32
}

func (d *Device) activate(op kernels.Activate) error {
	n := op.Y.Len()
	return launch(d, "activate", elements(n), dim{elementThreads, 1, 1}, 0,
		activateArgs{address(op.X), address(op.Y), int64(n), int32(op.Act), op.Scale, op.Bias})
}

type fillArgs struct {
	y     uint64
	n     int64
	value float32
}

func (d *Device) fill(op kernels.Fill) error {
	n := op.Y.Len()
	return launch(d, "fill", elements(n), dim{elementThreads, 1, 1}, 0, fillArgs{address(op.Y), int64(n), op.Value})
}

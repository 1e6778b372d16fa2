package cuda

import "github.com/seed49bbd0e6/tachi/kernels"

// Elementwise ops (element.cu): a thread has an element, or a vector of four.

const elementThreads = 256

// elements returns the grid of an op on n elements, each thread taking one.
func elements(n int) dim { return dim{ceil(n, elementThreads), 1, 1} }

type addArgs struct {
	a, b, y uint64
	n, lb   int64 // elements of y and of b
	alpha   float32
	vectors int32
}

func (d *Device) add(op kernels.Add) error {
	n, lb := op.Y.Len(), op.B.Len()
	whole := 0 // what must be in vectors
	if lb < n {
		whole = lb
	}
	v := vectors(whole, op.A, op.B, op.Y)
	return launch(d, "add", elements(ceil(n, perThread(v))), dim{elementThreads, 1, 1}, 0,
		addArgs{address(op.A), address(op.B), address(op.Y), int64(n), int64(lb), op.Alpha, v})
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

const castF16 = 1 // as in element.cu; 0 is bf16

type castArgs struct {
	x, y                  uint64
	n                     int64
	toHalf, half, vectors int32
	_                     int32
}

// cast converts, or copies bytes where the types agree.
func (d *Device) cast(op kernels.Cast) error {
	if op.X.DType == op.Y.DType {
		return d.copy(op.X, op.Y)
	}
	n, half, toHalf := op.Y.Len(), op.X.DType, int32(0)
	if half == kernels.F32 {
		half, toHalf = op.Y.DType, 1
	}
	args := castArgs{x: address(op.X), y: address(op.Y), n: int64(n), toHalf: toHalf, vectors: vectors(0, op.X, op.Y)}
	if half == kernels.F16 {
		args.half = castF16
	}
	return launch(d, "cast", elements(ceil(n, perThread(args.vectors))), dim{elementThreads, 1, 1}, 0, args)
}

type copyArgs struct {
	x, y    uint64
	n       int64 // bytes
	vectors int32
	_       int32
}

func (d *Device) copy(x, y *kernels.Tensor) error {
	n := y.Bytes()
	if address(x) == address(y) {
		return nil
	}
	threads, v := n, vectors(0, x, y)
	if v == 1 {
		threads = ceil(n, 16)
	}
	return launch(d, "copy", elements(threads), dim{elementThreads, 1, 1}, 0, copyArgs{address(x), address(y), int64(n), v, 0})
}

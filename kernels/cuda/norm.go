package cuda

import (
	"math/bits"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Layer norm (norm.cu).

const normThreads = 256

type layerNormArgs struct {
	x, gamma, beta, y uint64
	rows              int64
	c, shift          int32
	eps               float32
	act               int32
	to                int32
	_                 int32
}

func (d *Device) layerNorm(op kernels.LayerNorm) error {
	if err := d.readable(op.Name(), op.Y); err != nil {
		return err
	}
	rows, c := op.X.Rows(), op.X.Dim(-1)
	kernel, shift := normKernel(c, op.Act)
	if vectors(c, op.X, op.Gamma, op.Beta, op.Y) == 0 {
		kernel, shift = "layer_norm_any", 5
	}
	if kernel == "layer_norm_any" && op.Y.DType != kernels.F32 {
		return &kernels.UnsupportedError{Device: "cuda", Op: "layer-norm to 16 bits of unaligned operands, of more than 2304 channels, or with an activation and more than 512"}
	}
	return launch(d, kernel, dim{ceil(rows<<shift, normThreads), 1, 1}, dim{normThreads, 1, 1}, 0,
		layerNormArgs{address(op.X), address(op.Gamma), address(op.Beta), address(op.Y), int64(rows), int32(c), int32(shift), op.Eps, int32(op.Act), typeOf(op.Y), 0})
}

// normKernel chooses the kernel for aligned rows of c elements, and of how many lanes a row has the
// logarithm. A narrow row has a lane for each of its vectors, up to 8; a wider one so many that
// each holds at most 4 vectors.
func normKernel(c int, act kernels.Act) (kernel string, shift int) {
	n := ceil(c, 4)
	shift = min(bits.Len(uint(n-1)), 3)
	for shift < 5 && n > 4<<shift {
		shift++
	}
	switch held := ceil(n, 32); {
	case held <= 4:
		return "layer_norm", shift
	case held <= 8 && act == kernels.None:
		return "layer_norm_wide", 5
	case held <= 18 && act == kernels.None:
		return "layer_norm_widest", 5
	}
	return "layer_norm_any", 5
}

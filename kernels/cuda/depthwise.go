package cuda

import "github.com/seed49bbd0e6/tachi/kernels"

// Depthwise convolution (depthwise.cu).

type depthwiseArgs struct {
	x, w, bias, y       uint64
	h, width, c, kernel int32
}

func (d *Device) depthwiseConv(op kernels.DepthwiseConv) error {
	b, h, w, c := op.X.Dim(0), op.X.Dim(1), op.X.Dim(2), op.X.Dim(3)
	args := depthwiseArgs{address(op.X), address(op.W), address(op.Bias), address(op.Y), int32(h), int32(w), int32(c), int32(op.Kernel)}
	if op.Kernel == 7 && vectors(c, op.X, op.W, op.Bias, op.Y) == 1 {
		const tile, wide = 8, 8 // pixels, vectors of channels
		const shared = 16 * wide * ((tile+6)*(tile+6) + 7*7)
		return launch(d, "depthwise7", dim{ceil(w, tile), ceil(h, tile), b * ceil(c/4, wide)}, dim{wide, tile, 1}, shared, args)
	}
	return launch(d, "depthwise", dim{ceil(w*c, mapThreads), h, b}, dim{mapThreads, 1, 1}, 0, args)
}

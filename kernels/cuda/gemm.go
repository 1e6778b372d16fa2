package cuda

import (
	"errors"
	"fmt"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Products (gemm.cu). A is read as it lies, the rows of a convolution gathered from the map; there
// is no scratch memory.

type gemmArgs struct {
	a, b, bias, res, y                   uint64
	m, n, k                              int32
	row                                  int32
	resRows                              int32
	act                                  int32
	h, w, c, oh, ow, kernel, stride, pad int32
	up                                   int32
	narrow                               int32 // whether Y is in 16 bits
}

// few is how many rows at most are multiplied by one warp for each column.
const few = 16

func (d *Device) linear(op kernels.Linear) error {
	m, n, k := op.Y.Rows(), op.W.Dim(0), op.W.Dim(1)
	g := gemmArgs{a: address(op.X), b: address(op.W), bias: address(op.Bias), res: address(op.Res), y: address(op.Y),
		m: int32(m), n: int32(n), k: int32(k), row: int32(d.packedRow(k)), resRows: residualRows(op.Res, n), act: int32(op.Act)}
	if err := d.readable(op.Name(), op.X, op.Y); err != nil {
		return err
	}
	if op.Y.DType != kernels.F32 {
		g.narrow = 1
	}
	if op.X.DType != kernels.F32 {
		return d.gemmHalf(g)
	}
	if m <= few && op.Y.DType == kernels.F32 {
		const warps = 4
		return launch(d, "gemm_"+d.precision.String()+"_few", dim{ceil(n, warps), ceil(m, 8), 1}, dim{32 * warps, 1, 1}, 0, g)
	}
	return d.gemm(dense(g))
}

func (d *Device) conv2D(op kernels.Conv2D) error {
	n, k := op.W.Dim(0), op.W.Dim(1)
	g := gemmArgs{a: address(op.X), b: address(op.W), bias: address(op.Bias), res: address(op.Res), y: address(op.Y),
		m: int32(op.Y.Rows()), n: int32(n), k: int32(k), row: int32(d.packedRow(k)), resRows: residualRows(op.Res, n), act: int32(op.Act),
		h: int32(op.X.Dim(1)), w: int32(op.X.Dim(2)), c: int32(op.X.Dim(3)), oh: int32(op.Y.Dim(1)), ow: int32(op.Y.Dim(2)),
		kernel: int32(op.Kernel), stride: int32(op.Stride), pad: int32(op.Pad)}
	if op.Kernel == 1 && op.Stride == 1 {
		g = dense(g)
	}
	if (n == 4 || n == 16) && k <= 512 && d.precision != Float32 && (g.y|g.res|g.bias)%16 == 0 {
		return launch(d, fmt.Sprintf("conv_%v_%d", d.precision, n), dim{ceil(int(g.m), 128), 1, 1}, dim{128, 1, 1}, 4*k*n, g)
	}
	return d.gemm(g)
}

func (d *Device) upConv(op kernels.UpConv) error {
	n, k := op.W.Dim(0), op.W.Dim(1)
	g := dense(gemmArgs{a: address(op.X), b: address(op.W), bias: address(op.Bias), res: address(op.Res), y: address(op.Y), resRows: 1,
		m: int32(op.X.Rows()), n: int32(n), k: int32(k), row: int32(d.packedRow(k)), act: int32(op.Act), up: int32(op.X.Dim(2))})
	return d.gemm(g)
}

// dense says that rows lie one after the other: as pixels of maps of one pixel.
func dense(g gemmArgs) gemmArgs {
	g.h, g.w, g.oh, g.ow, g.kernel, g.stride, g.c = 1, 1, 1, 1, 1, 1, g.k
	return g
}

// gemm launches the product in the precision of the device.
func (d *Device) gemm(g gemmArgs) error {
	kind := "dense"
	switch {
	case g.c%4 != 0 || g.a%16 != 0:
		kind = "gather_one"
	case g.kernel != 1 || g.stride != 1:
		kind = "gather"
	}
	if g.n%4 == 0 && (g.y|g.res|g.bias)%16 != 0 {
		return fmt.Errorf("cuda: a product of %d columns wants its operands aligned to 16 bytes", g.n)
	}
	name := "gemm_" + d.precision.String() + "_" + kind
	grid := func(bm, bn int) dim { return dim{ceil(int(g.n), bn), ceil(int(g.m), bm), 1} }
	if d.precision == Float32 {
		return launch(d, name, grid(64, 64), dim{256, 1, 1}, 2*16*68*4, g)
	}
	const sums = 32 * 36 * 4 // of a warp
	if large := grid(128, 128); large.x*large.y >= d.processors && kind != "gather_one" {
		return launch(d, name+"_large", large, dim{256, 1, 1}, max(2*(128+128)*32*2, 8*sums), g)
	}
	return launch(d, name+"_small", grid(64, 64), dim{128, 1, 1}, max(2*(64+64)*32*2, 4*sums), g)
}

// gemmHalf launches the product of 16-bit operands.
func (d *Device) gemmHalf(g gemmArgs) error {
	if (g.a|g.y|g.res|g.bias)%16 != 0 {
		return errors.New("cuda: a product of 16-bit operands wants its operands aligned to 16 bytes")
	}
	name := "gemm_" + d.precision.String() + "_narrow"
	grid := func(bm, bn int) dim { return dim{ceil(int(g.n), bn), ceil(int(g.m), bm), 1} }
	const stages = 4
	if large := grid(128, 128); large.x*large.y >= 4*d.processors {
		return launch(d, name+"_large", large, dim{256, 1, 1}, stages*(128+128)*32*2, g)
	}
	if medium := grid(128, 64); medium.x*medium.y >= 2*d.processors {
		return launch(d, name+"_medium", medium, dim{128, 1, 1}, stages*(128+64)*32*2, g)
	}
	return launch(d, name+"_small", grid(64, 64), dim{128, 1, 1}, stages*(64+64)*32*2, g)
}

// residualRows returns after how many rows of n a residual repeats.
func residualRows(res *kernels.Tensor, n int) int32 {
	if res == nil {
		return 1
	}
	return int32(res.Len() / n)
}

type matMulNTArgs struct {
	a, b, y uint64
	m, n, k int32
	_       int32
}

func (d *Device) matMulNT(op kernels.MatMulNT) error {
	const threads, rows = 128, 8
	m, n, k := op.A.Dim(0), op.B.Dim(0), op.A.Dim(1)
	return launch(d, "matmul_nt", dim{ceil(n, threads), ceil(m, rows), 1}, dim{threads, 1, 1}, rows*64*4,
		matMulNTArgs{a: address(op.A), b: address(op.B), y: address(op.Y), m: int32(m), n: int32(n), k: int32(k)})
}

package cuda

import (
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/internal/tables"
)

// Interpolation of planes (resize.cu).

const resizeThreads = 128

// bilinear is planes [h, w] at x to be enlarged to [oh, ow], a band of rows for each block.
type bilinear struct {
	x            uint64
	h, w, oh, ow int32
	sy, sx       float32
	band         int32
	_            int32
}

func newBilinear(x *kernels.Tensor, oh, ow, band int) bilinear {
	h, w := x.Dim(1), x.Dim(2)
	return bilinear{address(x), int32(h), int32(w), int32(oh), int32(ow), float32(h) / float32(oh), float32(w) / float32(ow), int32(band), 0}
}

type resizeArgs struct {
	s       bilinear
	y       uint64
	vectors int32
	_       int32
}

func (d *Device) resize(op kernels.Resize) error {
	if op.Antialias {
		return d.resizeFiltered(op)
	}
	const band = 8
	n, oh, ow := op.Y.Dim(0), op.Y.Dim(1), op.Y.Dim(2)
	v := vectors(ow, op.Y)
	return launch(d, "resize", dim{ceil(ow, perThread(v)*resizeThreads), ceil(oh, band), n}, dim{resizeThreads, 1, 1}, 0,
		resizeArgs{newBilinear(op.X, oh, ow, band), address(op.Y), v, 0})
}

type resizeFilteredArgs struct {
	x, fx, fy, y uint64
	h, w, oh, ow int32
}

func (d *Device) resizeFiltered(op kernels.Resize) error {
	n, h, w, oh, ow := op.X.Dim(0), op.X.Dim(1), op.X.Dim(2), op.Y.Dim(1), op.Y.Dim(2)
	fx, err := d.triangle(w, ow)
	if err != nil {
		return err
	}
	fy, err := d.triangle(h, oh)
	if err != nil {
		return err
	}
	const wide, high, chunk = 32, 8, 64
	return launch(d, "resize_filtered", dim{ceil(ow, wide), ceil(oh, high), n}, dim{wide, high, 1}, 4*wide*chunk,
		resizeFilteredArgs{address(op.X), fx, fy, address(op.Y), int32(h), int32(w), int32(oh), int32(ow)})
}

func (d *Device) triangle(in, out int) (uint64, error) {
	return d.table(tableKey{name: "triangle", in: in, out: out}, func() []byte { return axisTable(tables.Triangle(in, out)) })
}

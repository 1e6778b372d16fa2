package cuda

import (
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/internal/tables"
)

// The stretch of a picture to the network's input (preprocess.cu).

type preprocessArgs struct {
	x, fx, fy, normal, y uint64
	w, s                 int32
}

func (d *Device) preprocess(op kernels.Preprocess) error {
	h, w, s := op.X.Dim(0), op.X.Dim(1), op.Y.Dim(0)
	fx, err := d.cubic(w, s)
	if err != nil {
		return err
	}
	fy, err := d.cubic(h, s)
	if err != nil {
		return err
	}
	normal, err := d.table(tableKey{name: "normalised", mean: op.Mean, std: op.Std}, func() []byte {
		return kernels.HostBytes(tables.Normalised(op.Mean, op.Std))
	})
	if err != nil {
		return err
	}
	const wide, rows, each, chunk = 96, 4, 6, 32
	return launch(d, "preprocess", dim{ceil(3*s, wide), ceil(s, rows*each), 1}, dim{wide, rows, 1}, 4*256*3+chunk*wide,
		preprocessArgs{address(op.X), fx, fy, normal, address(op.Y), int32(w), int32(s)})
}

func (d *Device) cubic(in, out int) (uint64, error) {
	return d.table(tableKey{name: "cubic", in: in, out: out}, func() []byte { return axisTable(tables.Cubic(in, out)) })
}

package cuda

import (
	"errors"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Rotation of channel pairs (rope.cu).

const ropeRows = 8 // of a block, one warp each

type ropeArgs struct {
	x, cos, sin, y uint64
	n, d, p, rows  int32
	vectors        int32
	from, to       int32
	_              int32
}

func (d *Device) rope(op kernels.RoPE) error {
	if err := d.readable(op.Name(), op.X, op.Y); err != nil {
		return err
	}
	n, c, p := op.X.Dim(0), op.X.Dim(1), op.Cos.Dim(0)
	if address(op.X) == address(op.Y) { // what does not turn is where it should be
		n = op.Rows
	}
	v := vectors(c, op.X, op.Y)
	if !aligned(8, op.Cos, op.Sin) {
		v = 0
	}
	if v == 0 && kernels.HasHalf(op) {
		return errors.New("cuda: rope of 16-bit operands wants its operands aligned to 16 bytes")
	}
	return launch(d, "rope", dim{ceil(n, ropeRows), 1, 1}, dim{32, ropeRows, 1}, 0,
		ropeArgs{address(op.X), address(op.Cos), address(op.Sin), address(op.Y), int32(n), int32(c), int32(p), int32(op.Rows), v, typeOf(op.X), typeOf(op.Y), 0})
}

package cuda

import (
	"fmt"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/internal/tables"
)

// Weights [N, K] are packed as rows of K elements in the device's precision, each row padded with
// zeros to a multiple of 16 bytes, so that a row can be read in vectors.

// packedRow returns the elements of a packed row.
func (d *Device) packedRow(k int) int {
	per := 16 / d.precision.Size()
	return ceil(k, per) * per
}

// PackedBytes returns the size of packed weights [n, k].
func (d *Device) PackedBytes(n, k int) int { return n * d.packedRow(k) * d.precision.Size() }

type packArgs struct {
	w, y      uint64
	n, k, row int32 // row: elements of a packed row
	precision int32
}

// Pack returns weights in the precision of the device.
func (d *Device) Pack(w *kernels.Tensor) (*kernels.Tensor, error) {
	if w == nil || w.DType != kernels.F32 || w.Layout != kernels.RowMajor || len(w.Shape) != 2 {
		return nil, fmt.Errorf("cuda: pack: got %v, want row-major f32[n,k]", w)
	}
	n, k := w.Dim(0), w.Dim(1)
	b, err := d.alloc(d.PackedBytes(n, k))
	if err != nil {
		return nil, err
	}
	t := &kernels.Tensor{DType: kernels.F32, Layout: kernels.Packed, Shape: []int{n, k}, Buf: b}
	row := d.packedRow(k)
	d.mu.Lock()
	err = launch(d, "pack", elements(n*row), dim{elementThreads, 1, 1}, 0,
		packArgs{address(w), b.at, int32(n), int32(k), int32(row), int32(d.precision)})
	d.mu.Unlock()
	if err != nil {
		d.Free(t)
		return nil, err
	}
	return t, nil
}

// BorrowedBytes returns the memory that an op needs for itself alone.
func (d *Device) BorrowedBytes(op kernels.Op) int {
	if op, ok := op.(kernels.MaskBoxes); ok {
		return maskParts(op)
	}
	return d.planOf(op).bytes
}

// ScratchBytes returns the memory that the device keeps for an op: its tables.
func (d *Device) ScratchBytes(op kernels.Op) int {
	switch op := op.(type) {
	case kernels.Resize:
		if op.Antialias {
			return axisBytes(tables.Triangle(op.X.Dim(1), op.Y.Dim(1))) + axisBytes(tables.Triangle(op.X.Dim(2), op.Y.Dim(2)))
		}
	case kernels.Preprocess:
		s := op.Y.Dim(0)
		return axisBytes(tables.Cubic(op.X.Dim(0), s)) + axisBytes(tables.Cubic(op.X.Dim(1), s)) + 4*256*3
	}
	return 0
}

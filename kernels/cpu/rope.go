package cpu

// #include "kernels.h"
import "C"

import "github.com/seed49bbd0e6/tachi/kernels"

// rope rotates the first rows and copies the others.
func (d *Device) rope(op kernels.RoPE) error {
	n, dim, p := op.X.Dim(0), op.X.Dim(1), op.Cos.Dim(0)
	x, cos, sin, y := floats(op.X), floats(op.Cos), floats(op.Sin), floats(op.Y)
	d.spans(op.Rows, rowSpan(dim), func(lo, hi, _ int) {
		C.call_rope(d.isa, x, cos, sin, C.long(p), C.long(lo), C.long(hi), C.long(dim), y)
	})
	if x != y && op.Rows < n {
		return d.cast(kernels.Cast{X: op.X.Slice(op.Rows, n), Y: op.Y.Slice(op.Rows, n)})
	}
	return nil
}

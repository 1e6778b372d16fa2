package cpu

// #include "kernels.h"
import "C"

import "github.com/seed49bbd0e6/tachi/kernels"

func (d *Device) maxPool(op kernels.MaxPool) error {
	h, w, c := op.Y.Dim(1), op.Y.Dim(2), op.Y.Dim(3)
	x, y := floats(op.X), floats(op.Y)
	d.spans(op.Y.Dim(0)*h, rowSpan(4*w*c), func(lo, hi, _ int) { // pictures have even heights: rows of all are one map
		C.call_maxpool(d.isa, x, C.long(w), C.long(c), C.long(lo), C.long(hi), y)
	})
	return nil
}

func (d *Device) upsampleAdd(op kernels.UpsampleAdd) error {
	h, w, c := op.Y.Dim(1), op.Y.Dim(2), op.Y.Dim(3)
	x, top, y := floats(op.X), floats(op.Top), floats(op.Y)
	d.spans(op.Y.Dim(0)*h, rowSpan(w*c), func(lo, hi, _ int) {
		C.call_upsampleadd(d.isa, x, top, C.long(w), C.long(c), C.long(lo), C.long(hi), y)
	})
	return nil
}

package cpu

// #include "kernels.h"
import "C"

import "github.com/seed49bbd0e6/tachi/kernels"

// depthwiseConv does four rows of a picture at a time: the rows of weights and pixels under them
// stay in the second-level cache.
func (d *Device) depthwiseConv(op kernels.DepthwiseConv) error {
	const rows = 4
	h, w, c := op.X.Dim(1), op.X.Dim(2), op.X.Dim(3)
	x, wt, bias, y := floats(op.X), floats(op.W), floats(op.Bias), floats(op.Y)
	bands := ceil(h, rows)
	d.parallel(op.X.Dim(0)*bands, func(i, _ int) {
		picture, y0 := i/bands*h*w*c, i%bands*rows
		C.call_depthwise(d.isa, at(x, picture), wt, bias, C.int(op.Kernel), C.long(h), C.long(w), C.long(c),
			C.long(y0), C.long(min(h, y0+rows)), at(y, picture))
	})
	return nil
}

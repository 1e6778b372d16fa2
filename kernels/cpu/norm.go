package cpu

// #include "kernels.h"
import "C"

import "github.com/seed49bbd0e6/tachi/kernels"

func (d *Device) layerNorm(op kernels.LayerNorm) error {
	c := op.X.Dim(-1)
	x, gamma, beta, y := floats(op.X), floats(op.Gamma), floats(op.Beta), floats(op.Y)
	d.spans(op.X.Rows(), rowSpan(c), func(lo, hi, _ int) {
		C.call_layernorm(d.isa, at(x, lo*c), gamma, beta, C.float(op.Eps), C.int(op.Act), C.long(hi-lo), C.long(c),
			at(y, lo*c))
	})
	return nil
}

package cpu

// #include <string.h>
// #include "kernels.h"
import "C"

import (
	"unsafe"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// span is how many elements a task of an elementwise op has: 128 KiB, so that a task takes some ten
// microseconds.
const span = 32 << 10

// spans calls run for 0..n in pieces of at most size.
func (d *Device) spans(n, size int, run func(lo, hi, worker int)) {
	d.parallel(ceil(n, size), func(i, worker int) { run(i*size, min(n, (i+1)*size), worker) })
}

// rowSpan is how many rows of width elements make about a span, at least one.
func rowSpan(width int) int { return max(1, span/max(1, width)) }

func (d *Device) add(op kernels.Add) error {
	a, b, y, lb := floats(op.A), floats(op.B), floats(op.Y), op.B.Len()
	d.spans(op.Y.Len(), span, func(lo, hi, _ int) {
		C.call_add(d.isa, at(a, lo), b, C.long(lb), C.long(lo%lb), C.float(op.Alpha), at(y, lo), C.long(hi-lo))
	})
	return nil
}

func (d *Device) activate(op kernels.Activate) error {
	x, y := floats(op.X), floats(op.Y)
	d.spans(op.Y.Len(), span, func(lo, hi, _ int) {
		C.call_activate(d.isa, at(x, lo), C.int(op.Act), C.float(op.Scale), C.float(op.Bias), at(y, lo), C.long(hi-lo))
	})
	return nil
}

func (d *Device) fill(op kernels.Fill) error {
	y := floats(op.Y)
	d.spans(op.Y.Len(), span, func(lo, hi, _ int) { C.call_fill(d.isa, at(y, lo), C.float(op.Value), C.long(hi-lo)) })
	return nil
}

func (d *Device) cast(op kernels.Cast) error {
	x, y := addr(op.X), addr(op.Y)
	from, to := op.X.DType, op.Y.DType
	d.spans(op.Y.Len(), span, func(lo, hi, _ int) {
		x, y, n := unsafe.Add(x, lo*from.Size()), unsafe.Add(y, lo*to.Size()), C.long(hi-lo)
		switch {
		case from == to:
			C.memmove(y, x, C.size_t((hi-lo)*from.Size())) // they may be the same
		case to == kernels.BF16:
			C.call_tobf16(d.isa, (*C.float)(x), (*C.uint16_t)(y), n)
		case to == kernels.F16:
			C.call_tof16(d.isa, (*C.float)(x), (*C.uint16_t)(y), n)
		case from == kernels.BF16:
			C.call_frombf16(d.isa, (*C.uint16_t)(x), (*C.float)(y), n)
		default:
			C.call_fromf16(d.isa, (*C.uint16_t)(x), (*C.float)(y), n)
		}
	})
	return nil
}

package cpu

// #include "kernels.h"
import "C"

import (
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/internal/tables"
)

// Some ops need memory beside their operands: a block for each worker, and the antialiased resize
// one for the whole. It is declared here, so that a plan can count it before anything runs, and the
// ops ask here how much they may use.

// scratch returns the bytes that an op needs for each worker and once.
func (d *Device) scratch(op kernels.Op) (worker, once int) {
	switch op := op.(type) {
	case kernels.Linear:
		m, n, k := op.X.Rows(), op.W.Dim(0), op.W.Dim(1)
		if t := d.tile(m, n, k); k%1024 == 0 && t.cols > 1 {
			worker = 4 * t.rows * int(C.spaced(C.long(k)))
		}
	case kernels.MatMulNT:
		worker = d.PackedBytes(d.nr(), op.A.Dim(1)) // one panel
	case kernels.Conv2D:
		if op.Kernel == 1 && op.Stride == 1 {
			return d.scratch(asLinear(op))
		}
		k := op.W.Dim(1)
		worker = 4 * d.tile(op.Y.Dim(1)*op.Y.Dim(2), op.Y.Dim(3), k).rows * int(C.spaced(C.long(k)))
	case kernels.UpConv:
		worker = 4 * upRows * 4 * op.Y.Dim(3)
	case kernels.Attention:
		return attentionHeads(op).scratch(d)
	case kernels.WindowAttention:
		if op.Window == 0 && !op.Pool {
			return wholeHeads(op).scratch(d)
		}
		worker = 4 * int(C.call_windowwork(d.isa, window(op)))
	case kernels.RotaryAttention:
		a := d.rotary(op)
		return 4 * int(C.call_rotarywork(d.isa, a)), 4 * int(C.call_rotaryonce(d.isa, a))
	case kernels.MaskBoxes:
		worker = 4 * C.MASKBOXROWS * op.W
	case kernels.Resize:
		if op.Antialias {
			return 0, 4 * op.X.Dim(0) * op.X.Dim(1) * op.Y.Dim(2)
		}
		worker = 4 * C.RESIZEROWS * op.Y.Dim(2)
	case kernels.Preprocess:
		h, w, s := op.X.Dim(0), op.X.Dim(1), op.Y.Dim(0)
		worker = under(tables.Cubic(h, s), s)*3*s + 16*w
	}
	return worker, once
}

// ScratchBytes returns the device memory that an op needs beside its operands.
func (d *Device) ScratchBytes(op kernels.Op) int {
	worker, once := d.scratch(op)
	if worker > 0 {
		worker = d.mem.heap.round(worker)
	}
	return d.threads()*worker + once
}

package cpu

// #include "kernels.h"
import "C"

import (
	"unsafe"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// newEpilogue describes act(. + bias + res) for the rows of a product from row0 on, n columns.
func newEpilogue(bias, res *kernels.Tensor, act kernels.Act, row0, n int) C.epilogue {
	e := C.epilogue{bias: floats(bias), res: floats(res), row0: C.long(row0), act: C.int(act), resrows: 1}
	if res != nil {
		e.resrows = C.long(res.Len() / n)
	}
	return e
}

// During each task a worker of linear prefetches the rows of its probable next task, unless K is so
// large that it does not pay.
func (d *Device) linear(op kernels.Linear) error {
	m, n, k := op.X.Rows(), op.W.Dim(0), op.W.Dim(1)
	x, w, y := floats(op.X), floats(op.W), floats(op.Y)
	t := d.tile(m, n, k)
	size, _ := d.scratch(op)
	d.parallel(t.tasks(), func(i, worker int) {
		r0, r1, p0, p1 := t.task(i)
		var work unsafe.Pointer
		if size > 0 && p1-p0 > 1 {
			work = d.mem.workspace(worker, size)
		}
		next, end, _, _ := t.task(min(i+d.threads(), t.tasks()))
		if k > 384 || t.across > 1 {
			next, end = 0, 0
		}
		C.call_gemm(d.isa, at(x, r0*k), C.long(k), C.long(r1-r0), C.long(k), w, C.long(p0), C.long(p1), C.long(n),
			at(y, r0*n), C.long(n), newEpilogue(op.Bias, op.Res, op.Act, r0, n), (*C.float)(work),
			at(x, next*k), C.long(max(0, end-next)*k))
	})
	return nil
}

// matMulNT packs each panel of B when its turn comes.
func (d *Device) matMulNT(op kernels.MatMulNT) error {
	m, n, k := op.A.Dim(0), op.B.Dim(0), op.A.Dim(1)
	a, b, y := floats(op.A), floats(op.B), floats(op.Y)
	t := d.tile(m, n, k)
	size, _ := d.scratch(op)
	d.parallel(t.tasks(), func(i, worker int) {
		panel := (*C.float)(d.mem.workspace(worker, size))
		r0, r1, p0, p1 := t.task(i)
		for p := p0; p < p1; p++ {
			C.call_pack(d.isa, panel, b, C.long(k), C.long(n), C.long(k), C.long(p), C.long(p+1))
			j := p * d.nr()
			C.call_gemm(d.isa, at(a, r0*k), C.long(k), C.long(r1-r0), C.long(k), panel, 0, 1, C.long(n-j),
				at(y, r0*n+j), C.long(n), newEpilogue(nil, nil, kernels.None, 0, n), nil, nil, 0)
		}
	})
	return nil
}

// conv2D is a product whose left rows are gathered, a block at a time, into the worker's workspace.
func (d *Device) conv2D(op kernels.Conv2D) error {
	if op.Kernel == 1 && op.Stride == 1 {
		return d.linear(asLinear(op))
	}
	h, w, c := op.X.Dim(1), op.X.Dim(2), op.X.Dim(3)
	oh, ow, n, k := op.Y.Dim(1), op.Y.Dim(2), op.Y.Dim(3), op.W.Dim(1)
	s := C.convshape{h: C.long(h), w: C.long(w), c: C.long(c), oh: C.long(oh), ow: C.long(ow),
		kernel: C.long(op.Kernel), stride: C.long(op.Stride), pad: C.long(op.Pad)}
	x, wt, y := floats(op.X), floats(op.W), floats(op.Y)
	t := d.tile(oh*ow, n, k)
	size, _ := d.scratch(op)
	d.parallel(op.X.Dim(0)*t.tasks(), func(i, worker int) {
		b := i / t.tasks()
		r0, r1, p0, p1 := t.task(i % t.tasks())
		ld := int(C.spaced(C.long(k)))
		cols := (*C.float)(d.mem.workspace(worker, size))
		C.call_im2col(d.isa, cols, C.long(ld), at(x, b*h*w*c), s, C.long(r0), C.long(r1))
		r0 += b * oh * ow
		r1 += b * oh * ow
		C.call_gemm(d.isa, cols, C.long(ld), C.long(r1-r0), C.long(k), wt, C.long(p0), C.long(p1), C.long(n),
			at(y, r0*n), C.long(n), newEpilogue(op.Bias, op.Res, op.Act, r0, n), nil, nil, 0)
	})
	return nil
}

// asLinear is a 1x1 convolution as what it is.
func asLinear(op kernels.Conv2D) kernels.Linear {
	return kernels.Linear{X: op.X, W: op.W, Bias: op.Bias, Res: op.Res, Act: op.Act, Y: op.Y}
}

// upRows is how many pixels a task of upConv has.
const upRows = 48

// upConv is a product of a block of pixels, which is then spread over the map of twice the size.
func (d *Device) upConv(op kernels.UpConv) error {
	m, c, w, n := op.X.Rows(), op.X.Dim(3), op.X.Dim(2), op.Y.Dim(3)
	x, wt := floats(op.X), floats(op.W)
	size, _ := d.scratch(op)
	d.parallel(ceil(m, upRows), func(i, worker int) {
		r0, r1 := i*upRows, min(m, (i+1)*upRows)
		t := (*C.float)(d.mem.workspace(worker, size))
		C.call_gemm(d.isa, at(x, r0*c), C.long(c), C.long(r1-r0), C.long(c), wt, 0, C.long(d.panels(4*n)), C.long(4*n),
			t, C.long(4*n), newEpilogue(nil, nil, kernels.None, 0, 1), nil, nil, 0)
		C.call_scatter(d.isa, t, C.long(r0), C.long(r1), C.long(w), C.long(n), floats(op.Bias), floats(op.Res),
			C.int(op.Act), floats(op.Y))
	})
	return nil
}

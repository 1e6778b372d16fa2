package cpu

// #include "kernels.h"
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Pack returns the weights [N, K] in panels of columns; see gemm.h.
func (d *Device) Pack(w *kernels.Tensor) (*kernels.Tensor, error) {
	if w.DType != kernels.F32 || w.Layout != kernels.RowMajor || len(w.Shape) != 2 || w.Len() == 0 {
		return nil, fmt.Errorf("cpu: pack %v, want f32[n,k]", w)
	}
	n, k := w.Dim(0), w.Dim(1)
	b, err := d.mem.alloc(d.PackedBytes(n, k))
	if err != nil {
		return nil, err
	}
	d.parallel(d.panels(n), func(p, _ int) {
		dst := (*C.float)(unsafe.Add(b.p, 4*p*d.nr()*k))
		C.call_pack(d.isa, dst, floats(w), C.long(k), C.long(n), C.long(k), C.long(p), C.long(p+1))
	})
	return &kernels.Tensor{DType: kernels.F32, Layout: kernels.Packed, Shape: []int{n, k}, Buf: b}, nil
}

// newEpilogue describes act(. + bias + res) for the rows of a product from row0 on, n columns.
func newEpilogue(bias, res *kernels.Tensor, act kernels.Act, row0, n int) C.epilogue {
	e := C.epilogue{bias: floats(bias), res: floats(res), row0: C.long(row0), act: C.int(act), resrows: 1}
	if res != nil {
		e.resrows = C.long(res.Len() / n)
	}
	return e
}

// linear has the rows of the task that this worker will most likely get next fetched during each task, unless the product is
// so deep that the time for it does not matter.
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

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
	b, err := d.mem.alloc(4 * d.panels(n) * d.nr() * k)
	if err != nil {
		return nil, err
	}
	d.parallel(d.panels(n), func(p, _ int) {
		dst := (*C.float)(unsafe.Add(b.p, 4*p*d.nr()*k))
		C.call_pack(d.isa, dst, floats(w), C.long(k), C.long(n), C.long(k), C.long(p), C.long(p+1))
	})
	return &kernels.Tensor{DType: kernels.F32, Layout: kernels.Packed, Shape: []int{n, k}, Buf: b}, nil
}

func (d *Device) nr() int           { return int(d.isa.nr) }
func (d *Device) panels(n int) int  { return (n + d.nr() - 1) / d.nr() }
func at(p *C.float, i int) *C.float { return (*C.float)(unsafe.Add(unsafe.Pointer(p), 4*i)) }
func (d *Device) threads() int      { return d.pool.n }
func ceil(a, b int) int             { return (a + b - 1) / b }

// tiling splits a product of m rows, n columns and depth k into tasks of rows x panels. The rows of a task fit in
// half of a second-level cache; a product with few rows is split by panels too, so that all workers have some.
type tiling struct {
	m, panels    int
	rows, cols   int // of a task, cols in panels
	down, across int // tasks
}

func (d *Device) tile(m, n, k int) tiling {
	const block = 256 << 10 // bytes
	t := tiling{m: m, panels: d.panels(n)}
	t.rows = min(m, max(48, min(192, block/(4*k)/48*48)))
	t.cols = t.panels
	want := 4 * d.threads()
	if 2*m*n*k < 1<<20 {
		want = 1 // not worth waking a worker
	}
	for ceil(m, t.rows) < want && t.rows > 48 {
		t.rows = max(48, t.rows/2/48*48)
	}
	if down := ceil(m, t.rows); down < want {
		t.cols = ceil(t.panels, min(t.panels, ceil(want, down)))
	}
	t.down, t.across = ceil(m, t.rows), ceil(t.panels, t.cols)
	return t
}

func (t tiling) tasks() int { return t.down * t.across }

// task returns the rows and panels of task i: rows of one block come after each other, so that they find its panels in cache.
func (t tiling) task(i int) (r0, r1, p0, p1 int) {
	r0, p0 = i/t.across*t.rows, i%t.across*t.cols
	return r0, min(t.m, r0+t.rows), p0, min(t.panels, p0+t.cols)
}

// epilogue describes act(. + bias + res) for the rows of a product from row0 on, n columns.
func newEpilogue(bias, res *kernels.Tensor, act kernels.Act, row0, n int) C.epilogue {
	e := C.epilogue{bias: floats(bias), res: floats(res), row0: C.long(row0), act: C.int(act), resrows: 1}
	if res != nil {
		e.resrows = C.long(res.Len() / n)
	}
	return e
}

func (d *Device) linear(op kernels.Linear) error {
	m, n, k := op.X.Rows(), op.W.Dim(0), op.W.Dim(1)
	x, w, y := floats(op.X), floats(op.W), floats(op.Y)
	t := d.tile(m, n, k)
	d.parallel(t.tasks(), func(i, worker int) {
		r0, r1, p0, p1 := t.task(i)
		var work unsafe.Pointer
		if k%1024 == 0 && p1-p0 > 1 {
			work = d.mem.workspace(worker, 4*t.rows*(k+16))
		}
		C.call_gemm(d.isa, at(x, r0*k), C.long(k), C.long(r1-r0), C.long(k), w, C.long(p0), C.long(p1), C.long(n),
			at(y, r0*n), C.long(n), newEpilogue(op.Bias, op.Res, op.Act, r0, n), (*C.float)(work))
	})
	return nil
}

// matMulNT packs each panel of B when its turn comes.
func (d *Device) matMulNT(op kernels.MatMulNT) error {
	m, n, k := op.A.Dim(0), op.B.Dim(0), op.A.Dim(1)
	a, b, y := floats(op.A), floats(op.B), floats(op.Y)
	d.parallel(d.panels(n), func(p, worker int) {
		panel := (*C.float)(d.mem.workspace(worker, 4*k*d.nr()))
		C.call_pack(d.isa, panel, b, C.long(k), C.long(n), C.long(k), C.long(p), C.long(p+1))
		j := p * d.nr()
		C.call_gemm(d.isa, a, C.long(k), C.long(m), C.long(k), panel, 0, 1, C.long(n-j),
			at(y, j), C.long(n), newEpilogue(nil, nil, kernels.None, 0, n), nil)
	})
	return nil
}

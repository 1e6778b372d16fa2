package cpu

// #include "kernels.h"
import "C"

import (
	"math"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// attention splits the queries of each head into blocks; see attention.h.
func (d *Device) attention(op kernels.Attention) error {
	nq, nk := op.Q.Dim(0), op.K.Dim(0)
	ldk, ldv := op.K.Dim(1), op.V.Dim(1)
	dk, dv := ldk/op.Heads, ldv/op.Heads
	q, k, v, y := floats(op.Q), floats(op.K), floats(op.V), floats(op.Y)
	block := int(d.isa.queries)
	size := 4 * int(C.call_attendwork(d.isa, C.long(dk), C.long(dv)))
	d.parallel(ceil(nq, block)*op.Heads, func(i, worker int) {
		h, q0 := i%op.Heads, i/op.Heads*block
		C.call_attend(d.isa, at(q, h*dk), C.long(ldk), at(k, h*dk), C.long(ldk), at(v, h*dv), C.long(ldv),
			at(y, h*dv), C.long(ldv), C.long(q0), C.long(min(nq, q0+block)), C.long(nk), C.long(dk), C.long(dv),
			C.float(op.Scale), (*C.float)(d.mem.workspace(worker, size)))
	})
	return nil
}

// windowAttention does a row of windows of one head in a task, or a block of queries of the whole map.
func (d *Device) windowAttention(op kernels.WindowAttention) error {
	batch, h, w, c := op.QKV.Dim(0), op.QKV.Dim(1), op.QKV.Dim(2), op.Y.Dim(3)
	dk, size := c/op.Heads, op.Window
	scale := C.float(1 / math.Sqrt(float64(dk)))
	queries := op.Y.Dim(1) * op.Y.Dim(2) // of a picture
	block := int(d.isa.queries)
	qkv, pad, y := floats(op.QKV), floats(op.PadQKV), floats(op.Y)
	one := C.window{h: C.long(h), w: C.long(w), c: C.long(c), d: C.long(dk), wh: C.long(size), ww: C.long(size)}
	if op.Pool {
		one.pool = 1
	}
	tasks := ceil(queries, block)
	if size == 0 {
		one.wh, one.ww = one.h, one.w
	} else {
		tasks = ceil(h, size)
	}
	need := 4 * int(C.call_windowwork(d.isa, one))
	d.parallel(batch*tasks*op.Heads, func(i, worker int) {
		head, task, b := i%op.Heads, i/op.Heads%tasks, i/op.Heads/tasks
		win := one
		win.qkv, win.pad, win.y = at(qkv, b*h*w*3*c+head*dk), at(pad, head*dk), at(y, b*queries*c+head*dk)
		work := (*C.float)(d.mem.workspace(worker, need))
		if size == 0 {
			C.call_attendwindow(d.isa, win, C.long(task*block), C.long(min(queries, (task+1)*block)), scale, work)
		} else {
			win.y0 = C.long(task * size)
			C.call_attendwindows(d.isa, win, C.long(size), scale, work)
		}
	})
	return nil
}

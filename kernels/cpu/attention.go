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
	block := d.queries(nq, op.Heads, dk, dv)
	size, _ := d.scratch(op)
	d.parallel(ceil(nq, block)*op.Heads, func(i, worker int) {
		h, q0 := i%op.Heads, i/op.Heads*block
		C.call_attend(d.isa, at(q, h*dk), C.long(ldk), at(k, h*dk), C.long(ldk), at(v, h*dv), C.long(ldv),
			at(y, h*dv), C.long(ldv), C.long(q0), C.long(min(nq, q0+block)), C.long(nk), C.long(dk), C.long(dv),
			C.float(op.Scale), (*C.float)(d.mem.workspace(worker, size)))
	})
	return nil
}

// queries is how many of n queries of each head a task does: as many as the kernels take, fewer where workers would get
// nothing.
func (d *Device) queries(n, heads, dk, dv int) int {
	block := int(C.call_queries(d.isa, C.long(dk), C.long(dv)))
	for block > 64 && ceil(n, block)*heads < 4*d.threads() {
		block /= 2
	}
	return block
}

// windowAttention does some windows in a task, or a block of queries of one head where the window is the whole map;
// see window.h.
func (d *Device) windowAttention(op kernels.WindowAttention) error {
	batch, h, w, c := op.QKV.Dim(0), op.QKV.Dim(1), op.QKV.Dim(2), op.Y.Dim(3)
	queries := op.Y.Dim(1) * op.Y.Dim(2) // of a picture
	scale := C.float(1 / math.Sqrt(float64(c/op.Heads)))
	qkv, y := floats(op.QKV), floats(op.Y)
	win := window(op)
	win.pad = floats(op.PadQKV)
	size, _ := d.scratch(op)
	picture := func(b int) C.window {
		one := win
		one.qkv, one.y = at(qkv, b*h*w*3*c), at(y, b*queries*c)
		return one
	}
	if op.Window == 0 {
		block := d.queries(queries, batch*op.Heads, c/op.Heads, c/op.Heads)
		blocks := ceil(queries, block)
		d.parallel(batch*blocks*op.Heads, func(i, worker int) {
			head, q0, b := i%op.Heads, i/op.Heads%blocks*block, i/op.Heads/blocks
			C.call_attendwhole(d.isa, picture(b), C.long(head), C.long(q0), C.long(min(queries, q0+block)), scale,
				(*C.float)(d.mem.workspace(worker, size)))
		})
		return nil
	}
	windows := ceil(h, op.Window) * ceil(w, op.Window)
	some := max(1, windows/(8*d.threads()))
	tasks := ceil(windows, some)
	d.parallel(batch*tasks, func(i, worker int) {
		first := i % tasks * some
		C.call_attendwindows(d.isa, picture(i/tasks), C.long(first), C.long(min(windows, first+some)), scale,
			(*C.float)(d.mem.workspace(worker, size)))
	})
	return nil
}

// window describes an op to the kernels, but for its operands.
func window(op kernels.WindowAttention) C.window {
	h, w, c := op.QKV.Dim(1), op.QKV.Dim(2), op.Y.Dim(3)
	win := C.window{h: C.long(h), w: C.long(w), c: C.long(c), d: C.long(c / op.Heads), wh: C.long(op.Window), ww: C.long(op.Window)}
	if op.Window == 0 {
		win.wh, win.ww = win.h, win.w
	}
	if op.Pool {
		win.pool = 1
	}
	return win
}

// rotaryAttention does a block of queries in a task; see rotary.h.
func (d *Device) rotaryAttention(op kernels.RotaryAttention) error {
	nq := op.Q.Dim(0)
	size, once := d.scratch(op)
	arranged, err := d.mem.alloc(once)
	if err != nil {
		return err
	}
	defer d.mem.release(arranged)
	a := d.rotary(op)
	a.pieces = (*C.float)(arranged.p)
	a.q, a.x, a.w, a.bias, a.cos, a.sin, a.v, a.y = floats(op.Q), floats(op.X), floats(op.W), floats(op.Bias), floats(op.Cos), floats(op.Sin), floats(op.V), floats(op.Y)
	pieces := int(C.call_rotarypieces(d.isa, a, new(C.long)))
	d.spans(pieces, 16, func(lo, hi, _ int) { C.call_arrange(d.isa, a, C.long(lo), C.long(hi)) })
	lanes := int(a.groups * d.isa.group)
	d.parallel(ceil(nq, lanes), func(i, worker int) {
		C.call_attendrotary(d.isa, a, C.long(i*lanes), C.long(min(nq, (i+1)*lanes)), (*C.float)(d.mem.workspace(worker, size)))
	})
	return nil
}

// rotary describes an op to the kernels, but for its operands. A task has as many groups of queries as the kernels take, fewer
// where workers would get nothing.
func (d *Device) rotary(op kernels.RotaryAttention) C.rotary {
	groups := int(d.isa.groups)
	for groups > 2 && ceil(op.Q.Dim(0), groups*int(d.isa.group)) < 4*d.threads() {
		groups -= 2
	}
	return C.rotary{d: C.long(op.Q.Dim(1)), m: C.long(op.X.Dim(1)), dv: C.long(op.V.Dim(1)), side: C.long(op.Cos.Dim(0)),
		maps: C.long(op.Maps), n: C.long(op.X.Dim(0)), groups: C.long(groups), scale: C.float(op.Scale)}
}

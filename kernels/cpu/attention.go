package cpu

// #include "kernels.h"
import "C"

import (
	"math"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// heads describes an attention of some heads to the kernels. Head h has its channels from h*d, or
// h*dv, on in every row.
type heads struct {
	n, nq, nk, d, dv   int
	q, k, v, y         *C.float
	ldq, ldk, ldv, ldy int
	scale              float32
}

func attentionHeads(op kernels.Attention) heads {
	ldk, ldv := op.K.Dim(1), op.V.Dim(1)
	return heads{n: op.Heads, nq: op.Q.Dim(0), nk: op.K.Dim(0), d: ldk / op.Heads, dv: ldv / op.Heads,
		ldq: ldk, ldk: ldk, ldv: ldv, ldy: ldv, scale: op.Scale}
}

// wholeHeads is the attention of a map that is one window, a picture at a time.
func wholeHeads(op kernels.WindowAttention) heads {
	n, c := op.QKV.Dim(1)*op.QKV.Dim(2), op.Y.Dim(3)
	return heads{n: op.Heads, nq: n, nk: n, d: c / op.Heads, dv: c / op.Heads, ldq: 3 * c, ldk: 3 * c, ldv: 3 * c, ldy: c,
		scale: float32(1 / math.Sqrt(float64(c/op.Heads)))}
}

// scratch returns the bytes that a worker needs, and those for the copied keys of all heads, 0 if
// there are too few queries for that to pay.
func (h heads) scratch(d *Device) (worker, once int) {
	return 4 * int(C.call_attendwork(d.isa, C.long(h.nq), C.long(h.d), C.long(h.dv))), 4 * h.n * h.copied(d)
}

// copied returns the floats of the copied keys of a head.
func (h heads) copied(d *Device) int {
	return int(C.call_attendonce(d.isa, C.long(h.nq), C.long(h.nk), C.long(h.d), C.long(h.dv)))
}

// attend copies the keys and splits the queries of each head into blocks; see attention.h.
func (d *Device) attend(h heads) error {
	worker, once := h.scratch(d)
	copied, err := d.mem.alloc(once)
	if err != nil {
		return err
	}
	defer d.mem.release(copied)
	size := h.copied(d)
	of := func(head int) *C.float { return at((*C.float)(copied.p), head*size) }
	if once > 0 {
		blocks := int(C.call_keyblocks(d.isa, C.long(h.nk), C.long(h.d), C.long(h.dv)))
		d.parallel(h.n*blocks, func(i, _ int) {
			head, b := i/blocks, i%blocks
			C.call_copykeys(d.isa, at(h.k, head*h.d), C.long(h.ldk), at(h.v, head*h.dv), C.long(h.ldv), C.long(h.nk),
				C.long(h.d), C.long(h.dv), C.long(b), C.long(b+1), of(head))
		})
	}
	most := int(C.call_attendqueries(d.isa, C.long(h.nq), C.long(h.d), C.long(h.dv)))
	starts := d.runs(h.nq, h.n, most, 2*int(d.isa.group))
	d.parallel((len(starts)-1)*h.n, func(i, w int) {
		head, q0, q1 := i%h.n, starts[i/h.n], starts[i/h.n+1]
		var keys *C.float
		if once > 0 {
			keys = of(head)
		}
		C.call_attend(d.isa, at(h.q, head*h.d), C.long(h.ldq), at(h.k, head*h.d), C.long(h.ldk), at(h.v, head*h.dv), C.long(h.ldv),
			keys, at(h.y, head*h.dv), C.long(h.ldy), C.long(q0), C.long(q1), C.long(h.nk), C.long(h.d),
			C.long(h.dv), C.float(h.scale), (*C.float)(d.mem.workspace(w, worker)))
	})
	return nil
}

func (d *Device) attention(op kernels.Attention) error {
	h := attentionHeads(op)
	h.q, h.k, h.v, h.y = floats(op.Q), floats(op.K), floats(op.V), floats(op.Y)
	return d.attend(h)
}

// windowAttention does some windows in a task; see attention_window.h. A map that is one window is
// like any attention, unless queries are pooled, which no network does there.
func (d *Device) windowAttention(op kernels.WindowAttention) error {
	batch, h, w, c := op.QKV.Dim(0), op.QKV.Dim(1), op.QKV.Dim(2), op.Y.Dim(3)
	qkv, y := floats(op.QKV), floats(op.Y)
	if op.Window == 0 && !op.Pool {
		for b := range batch {
			h := wholeHeads(op)
			h.q, h.y = at(qkv, b*h.nq*h.ldq), at(y, b*h.nq*h.ldy)
			h.k, h.v = at(h.q, c), at(h.q, 2*c)
			if err := d.attend(h); err != nil {
				return err
			}
		}
		return nil
	}
	queries := op.Y.Dim(1) * op.Y.Dim(2) // of a picture
	scale := C.float(1 / math.Sqrt(float64(c/op.Heads)))
	win := window(op)
	win.pad = floats(op.PadQKV)
	size, _ := d.scratch(op)
	picture := func(b int) C.window {
		one := win
		one.qkv, one.y = at(qkv, b*h*w*3*c), at(y, b*queries*c)
		return one
	}
	windows := ceil(h, int(win.wh)) * ceil(w, int(win.ww))
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

// rotaryAttention does a block of queries in a task; see attention_rotary.h.
func (d *Device) rotaryAttention(op kernels.RotaryAttention) error {
	nq := op.Q.Dim(0)
	size, once := d.scratch(op)
	arranged, err := d.mem.alloc(once)
	if err != nil {
		return err
	}
	defer d.mem.release(arranged)
	a := d.rotary(op)
	a.once = (*C.float)(arranged.p)
	a.q, a.x, a.w, a.bias, a.cos, a.sin, a.v, a.y = floats(op.Q), floats(op.X), floats(op.W), floats(op.Bias), floats(op.Cos), floats(op.Sin), floats(op.V), floats(op.Y)
	pieces := int(C.call_rotarypieces(d.isa, a))
	d.spans(pieces, 16, func(lo, hi, _ int) { C.call_arrange(d.isa, a, C.long(lo), C.long(hi)) })
	group := int(d.isa.group)
	starts := d.runs(nq, 1, int(a.groups)*group, group)
	d.parallel(len(starts)-1, func(i, worker int) {
		block := a
		block.groups = C.long(ceil(starts[i+1]-starts[i], group))
		C.call_attendrotary(d.isa, block, C.long(starts[i]), C.long(starts[i+1]), (*C.float)(d.mem.workspace(worker, size)))
	})
	return nil
}

// rotary describes an op to the kernels, but for its operands.
func (d *Device) rotary(op kernels.RotaryAttention) C.rotary {
	return C.rotary{d: C.long(op.Q.Dim(1)), m: C.long(op.X.Dim(1)), dv: C.long(op.V.Dim(1)), side: C.long(op.Cos.Dim(0)),
		maps: C.long(op.Maps), n: C.long(op.X.Dim(0)), groups: d.isa.groups, scale: C.float(op.Scale)}
}

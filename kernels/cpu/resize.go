package cpu

// #include "kernels.h"
import "C"

import (
	"runtime"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/internal/tables"
)

// lerps are the two source elements of each output of an axis, and the weight of the second.
type lerps struct {
	first, second []int32
	t             []float32
}

// newLerps aligns centres: output i lies at max(in/out (i + 1/2) - 1/2, 0), computed in float32.
// Products are converted before they are used, so that no compiler fuses them.
func newLerps(in, out int) lerps {
	l := lerps{make([]int32, out), make([]int32, out), make([]float32, out)}
	scale := float32(in) / float32(out)
	for i := range out {
		r := max(float32(scale*(float32(i)+0.5))-0.5, 0)
		l.first[i] = int32(min(int(r), in-1))
		l.second[i] = min(l.first[i]+1, int32(in-1))
		l.t[i] = r - float32(l.first[i])
	}
	return l
}

// plane fills in what C needs to interpolate planes [h, w] to [oh, ow]. The pinner keeps the tables
// in place.
func plane(pin *runtime.Pinner, h, w, oh, ow int) C.bilinear {
	lx, ly := newLerps(w, ow), newLerps(h, oh)
	return C.bilinear{w: C.long(w), ow: C.long(ow),
		x0: pinInts(pin, lx.first), x1: pinInts(pin, lx.second), tx: pinFloats(pin, lx.t),
		y0: pinInts(pin, ly.first), y1: pinInts(pin, ly.second), ty: pinFloats(pin, ly.t),
		have: [2]C.long{-1, -1}}
}

func pinInts(pin *runtime.Pinner, s []int32) *C.int32_t {
	pin.Pin(&s[0])
	return (*C.int32_t)(&s[0])
}

func pinFloats(pin *runtime.Pinner, s []float32) *C.float {
	pin.Pin(&s[0])
	return (*C.float)(&s[0])
}

// band is how many result rows of an interpolated plane a task has.
const band = 32

func (d *Device) resize(op kernels.Resize) error {
	if op.Antialias {
		return d.resizeAntialiased(op)
	}
	n, h, w, oh, ow := op.X.Dim(0), op.X.Dim(1), op.X.Dim(2), op.Y.Dim(1), op.Y.Dim(2)
	var pin runtime.Pinner
	defer pin.Unpin()
	s := plane(&pin, h, w, oh, ow)
	x, y := floats(op.X), floats(op.Y)
	bands := ceil(oh, band)
	size, _ := d.scratch(op)
	d.parallel(n*bands, func(i, worker int) {
		s, p, o := s, i/bands, i%bands*band
		s.x, s.work = at(x, p*h*w), (*C.float)(d.mem.workspace(worker, size))
		C.call_resize(d.isa, s, C.long(o), C.long(min(oh, o+band)), at(y, p*oh*ow))
	})
	return nil
}

// resizeAntialiased filters along x into scratch memory, then along y.
func (d *Device) resizeAntialiased(op kernels.Resize) error {
	n, h, w, oh, ow := op.X.Dim(0), op.X.Dim(1), op.X.Dim(2), op.Y.Dim(1), op.Y.Dim(2)
	var pin runtime.Pinner
	defer pin.Unpin()
	fx, fy := pinFilter(&pin, tables.Triangle(w, ow)), pinFilter(&pin, tables.Triangle(h, oh))
	_, size := d.scratch(op)
	wide, err := d.mem.alloc(size)
	if err != nil {
		return err
	}
	defer d.mem.release(wide)
	x, y, t := floats(op.X), floats(op.Y), (*C.float)(wide.p)
	d.spans(n*h, rowSpan(w), func(lo, hi, _ int) {
		C.call_tapsacross(d.isa, at(x, lo*w), C.long(hi-lo), C.long(w), fx, C.long(ow), at(t, lo*ow))
	})
	bands := ceil(oh, band)
	d.parallel(n*bands, func(i, _ int) {
		p, o := i/bands, i%bands*band
		C.call_tapsdown(d.isa, at(t, p*h*ow), fy, C.long(o), C.long(min(oh, o+band)), C.long(ow), at(y, p*oh*ow))
	})
	return nil
}

func pinFilter(pin *runtime.Pinner, a tables.Axis[float32]) C.filter {
	return C.filter{first: pinInts(pin, a.First), count: pinInts(pin, a.Count), weight: pinFloats(pin, a.Weight), taps: C.long(a.Taps)}
}

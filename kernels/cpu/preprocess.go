package cpu

// #include "kernels.h"
import "C"

import (
	"runtime"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/internal/tables"
)

// preprocess stretches a band of result rows per task. Its workspace holds the source rows under a
// band, stretched along x.
func (d *Device) preprocess(op kernels.Preprocess) error {
	h, w, s := op.X.Dim(0), op.X.Dim(1), op.Y.Dim(0)
	fx, fy := tables.Cubic(w, s), tables.Cubic(h, s)
	table := tables.Normalised(op.Mean, op.Std)
	size, _ := d.scratch(op)
	var pin runtime.Pinner
	defer pin.Unpin()
	cx, cy := pinFixed(&pin, fx), pinFixed(&pin, fy)
	x, y := (*C.uint8_t)(addr(op.X)), floats(op.Y)
	d.spans(s, preprocessRows, func(lo, hi, worker int) {
		work := (*C.uint8_t)(d.mem.workspace(worker, size))
		C.call_preprocess(d.isa, x, C.long(w), C.long(s), cx, cy, (*C.float)(&table[0]), C.long(lo), C.long(hi), y, work)
	})
	return nil
}

// preprocessRows is how many result rows a task of preprocess has.
const preprocessRows = 64

// under returns how many source rows, at most, lie under a task's, of s results.
func under(f tables.Axis[int32], s int) int {
	under := 0
	for o := 0; o < s; o += preprocessRows {
		lo, hi := int(f.First[o]), 0
		for i := o; i < min(s, o+preprocessRows); i++ {
			lo, hi = min(lo, int(f.First[i])), max(hi, int(f.First[i]+f.Count[i]))
		}
		under = max(under, hi-lo)
	}
	return under
}

func pinFixed(pin *runtime.Pinner, a tables.Axis[int32]) C.fixed {
	return C.fixed{first: pinInts(pin, a.First), count: pinInts(pin, a.Count), weight: pinInts(pin, a.Weight), taps: C.long(a.Taps)}
}

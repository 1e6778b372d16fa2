package cpu

// #include "kernels.h"
import "C"

import (
	"runtime"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// maskBoxes interpolates a band of rows at a time, exactly as resize does, and joins the boxes of
// the bands.
func (d *Device) maskBoxes(op kernels.MaskBoxes) error {
	n, h, w := op.X.Dim(0), op.X.Dim(1), op.X.Dim(2)
	var pin runtime.Pinner
	defer pin.Unpin()
	s := plane(&pin, h, w, op.H, op.W)
	x := floats(op.X)
	bands := ceil(op.H, band)
	boxes := make([][4]C.int32_t, n*bands)
	size, _ := d.scratch(op)
	d.parallel(len(boxes), func(i, worker int) {
		s, o := s, i%bands*band
		s.x, s.work = at(x, i/bands*h*w), (*C.float)(d.mem.workspace(worker, size))
		C.call_maskbox(d.isa, s, C.long(o), C.long(min(op.H, o+band)), &boxes[i][0])
	})
	out := make([]int32, 0, 4*n)
	for p := range n {
		all := [4]C.int32_t{C.int32_t(op.W), C.int32_t(op.H), -1, -1}
		for _, b := range boxes[p*bands:][:bands] {
			if b[2] >= 0 {
				all = [4]C.int32_t{min(all[0], b[0]), min(all[1], b[1]), max(all[2], b[2]), max(all[3], b[3])}
			}
		}
		if all[2] < 0 {
			all = [4]C.int32_t{}
		}
		for _, v := range all {
			out = append(out, int32(v))
		}
	}
	return d.Upload(op.Y, kernels.HostBytes(out))
}

// countAbove counts pieces of each row and adds them up.
func (d *Device) countAbove(op kernels.CountAbove) error {
	n, m, k := op.X.Dim(0), op.X.Dim(1), len(op.Thresholds)
	x, pieces := floats(op.X), ceil(m, span)
	counts := make([]int, n*k*pieces)
	d.parallel(n*pieces, func(i, _ int) {
		row, lo := i/pieces, i%pieces*span
		for j, t := range op.Thresholds {
			counts[i*k+j] = int(C.call_countabove(d.isa, at(x, row*m+lo), C.long(min(m-lo, span)), C.float(t)))
		}
	})
	out := make([]int32, n*k)
	for i, c := range counts {
		out[i/(pieces*k)*k+i%k] += int32(c)
	}
	return d.Upload(op.Y, kernels.HostBytes(out))
}

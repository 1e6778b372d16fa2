package cpu

// #include "kernels.h"
import "C"

import (
	"bytes"
	"time"
)

// PeakFLOPS measures the floating point operations per second that all workers together do in
// registers: the ceiling of every product.
func (d *Device) PeakFLOPS() float64 {
	return d.rate(func(int) float64 {
		sink := [16]C.float{1}
		return float64(C.call_peak(d.isa, 1_000_000, &sink[0]))
	})
}

// CopyBandwidth measures the bytes per second, read and written, that all workers together copy
// between blocks too large for any cache: the ceiling of every op on elements.
func (d *Device) CopyBandwidth() float64 {
	const size = 64 << 20
	blocks := make([][]byte, 2*d.threads())
	for i := range blocks {
		blocks[i] = bytes.Repeat([]byte{1}, size) // written, or all pages would be one page of zeros
	}
	return d.rate(func(worker int) float64 {
		return 2 * float64(copy(blocks[2*worker], blocks[2*worker+1]))
	})
}

// rate returns the amount per second that run does on all workers at once, the best round of half a
// second: on a shared machine a core may be away for many milliseconds.
func (d *Device) rate(run func(worker int) float64) float64 {
	best := 0.0
	for begin := time.Now(); time.Since(begin) < time.Second/2; {
		amounts := make([]float64, d.threads())
		start := time.Now()
		d.parallel(d.threads(), func(i, _ int) { amounts[i] = run(i) })
		sum := 0.0
		for _, a := range amounts {
			sum += a
		}
		best = max(best, sum/time.Since(start).Seconds())
	}
	return best
}

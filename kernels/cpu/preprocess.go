package cpu

// #include "kernels.h"
import "C"

import (
	"math"
	"runtime"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// preprocess stretches a band of result rows per task. Its workspace holds the source rows under a band, stretched
// along x.
func (d *Device) preprocess(op kernels.Preprocess) error {
	h, w, s := op.X.Dim(0), op.X.Dim(1), op.Y.Dim(0)
	fx, fy := newCubic(w, s), newCubic(h, s)
	table := normalised(op.Mean, op.Std)
	size, _ := d.scratch(op)
	var pin runtime.Pinner
	defer pin.Unpin()
	cx, cy := fx.pin(&pin), fy.pin(&pin)
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
func (f *cubic) under(s int) int {
	under := 0
	for o := 0; o < s; o += preprocessRows {
		lo, hi := int(f.first[o]), 0
		for i := o; i < min(s, o+preprocessRows); i++ {
			lo, hi = min(lo, int(f.first[i])), max(hi, int(f.first[i]+f.count[i]))
		}
		under = max(under, hi-lo)
	}
	return under
}

// normalised is (v/255 - mean)/std for every 8-bit value and channel, [256][3]: the quotient in float64, stored as
// float32, the rest in float32.
func normalised(mean, std [3]float32) []float32 {
	table := make([]float32, 0, 256*3)
	for v := range 256 {
		for c := range 3 {
			table = append(table, (float32(float64(v)/255)-mean[c])/std[c])
		}
	}
	return table
}

// cubic is the weights of one axis: output i has count[i] of them, weight[i*taps...], from first[i] on, in units
// of 2^-22.
type cubic struct {
	first, count, weight []int32
	taps                 int
}

// newCubic makes Pillow's weights: Keys' cubic with a = -1/2 over 2 max(in/out, 1) elements to each side of the
// aligned centre, cut at the edges and normalised in float64, then rounded half away from zero. Weights of 0 at
// the ends are left out.
func newCubic(in, out int) cubic {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	shrink, support := 1/stretch, 2*stretch
	f := cubic{taps: 2*int(math.Ceil(support)) + 1}
	f.first, f.count, f.weight = make([]int32, out), make([]int32, out), make([]int32, out*f.taps)
	w := make([]float64, f.taps)
	for i := range out {
		centre := (float64(i) + 0.5) * scale
		lo, hi := max(int(centre-support+0.5), 0), min(int(centre+support+0.5), in)
		sum := 0.0
		for j := range hi - lo {
			w[j] = keys((float64(lo+j) - centre + 0.5) * shrink)
			sum += w[j]
		}
		row := f.weight[i*f.taps:][:0]
		for j := range hi - lo {
			k := int32(w[j]*(1/sum)*(1<<22) + math.Copysign(0.5, w[j]))
			if k == 0 && len(row) == 0 {
				lo++
				continue
			}
			row = append(row, k)
		}
		for len(row) > 0 && row[len(row)-1] == 0 {
			row = row[:len(row)-1]
		}
		f.first[i], f.count[i] = int32(lo), int32(len(row))
	}
	return f
}

// keys is the cubic convolution kernel with a = -1/2 (R. Keys, 1981). The order of operations decides the last bit of a
// weight, and with it, now and then, a rounded one.
func keys(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

func (f cubic) pin(pin *runtime.Pinner) C.fixed {
	return C.fixed{first: pinInts(pin, f.first), count: pinInts(pin, f.count), weight: pinInts(pin, f.weight), taps: C.long(f.taps)}
}

package kerneltest

import (
	"math"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// The reference of Preprocess: Pillow's resampling of 8-bit pictures with the cubic of a = -1/2,
// which is exact integer arithmetic once the weights are rounded to 22 fractional bits.

// PillowBicubic stretches an 8-bit picture [h, w, 3] to [oh, ow, 3]. A pass over an axis whose size
// does not change is left out.
func PillowBicubic(x []uint8, h, w, oh, ow int) []uint8 {
	if w != ow {
		x = resampleAxis(x, h, w, ow, 3)
	}
	if h != oh {
		x = resampleAxis(x, 1, h, oh, 3*ow)
	}
	return x
}

// resampleAxis resamples the middle axis of [outer, in, inner] to out.
func resampleAxis(x []uint8, outer, in, out, inner int) []uint8 {
	y := make([]uint8, outer*out*inner)
	for i := range out {
		first, weights := fixedCubic(i, in, out)
		for o := range outer {
			for c := range inner {
				sum := int32(1 << 21)
				for j, k := range weights {
					sum += k * int32(x[(o*in+first+j)*inner+c])
				}
				y[(o*out+i)*inner+c] = uint8(min(max(sum>>22, 0), 255))
			}
		}
	}
	return y
}

// fixedCubic returns the first tap of output i and the weights of all, in units of 2^-22.
func fixedCubic(i, in, out int) (first int, weights []int32) {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	support := 2 * stretch
	centre := (float64(i) + 0.5) * scale
	first = max(int(centre-support+0.5), 0)
	last := min(int(centre+support+0.5), in)
	real, sum := make([]float64, last-first), 0.0
	for j := range real {
		real[j] = keys((float64(j+first) - centre + 0.5) * (1 / stretch))
		sum += real[j]
	}
	for _, w := range real {
		if sum != 0 {
			w *= 1 / sum
		}
		weights = append(weights, int32(w*(1<<22)+math.Copysign(0.5, w)))
	}
	return first, weights
}

// keys is the cubic convolution kernel with a = -1/2 (Keys 1981).
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

func preprocess[F real](o kernels.Preprocess, at content[F]) []F {
	wide := at(o.X)
	x := make([]uint8, len(wide))
	for i := range x {
		x[i] = uint8(wide[i])
	}
	s := o.Y.Dim(0)
	var y []F
	for i, v := range PillowBicubic(x, o.X.Dim(0), o.X.Dim(1), s, s) {
		unit := float32(float64(v) / 255)
		y = append(y, F((unit-o.Mean[i%3])/o.Std[i%3]))
	}
	return y
}

// ImageNet is the mean and deviation that the network was trained with.
var (
	imageNetMean = [3]float32{0.485, 0.456, 0.406}
	imageNetStd  = [3]float32{0.229, 0.224, 0.225}
)

func pillowCases() []Case {
	pre := func(h, w, s int, picture func(*Maker, int) []byte) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			return kernels.Preprocess{X: mk.Bytes(kernels.U8, picture(mk, 3*h*w), h, w, 3),
				Mean: imageNetMean, Std: imageNetStd, Y: mk.Out(s, s, 3)}
		}
	}
	noise := func(mk *Maker, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(mk.rng.next())
		}
		return b
	}
	blackAndWhite := func(mk *Maker, n int) []byte { // overshoots at every edge
		b := noise(mk, n)
		for i := range b {
			b[i] = -(b[i] & 1)
		}
		return b
	}
	return []Case{
		{"preprocess/smaller", pre(90, 160, 64, noise)},
		{"preprocess/larger", pre(23, 37, 64, noise)},
		{"preprocess/several bands", pre(181, 97, 150, noise)},
		{"preprocess/wider and lower", pre(100, 20, 48, noise)},
		{"preprocess/clamped overshoot", pre(51, 77, 40, blackAndWhite)},
		{"preprocess/clamped overshoot when larger", pre(15, 17, 61, blackAndWhite)},
		{"preprocess/same size", pre(32, 32, 32, noise)},
		{"preprocess/same width", pre(50, 32, 32, noise)},
		{"preprocess/same height", pre(32, 50, 32, noise)},
		{"preprocess/one pixel wide", pre(40, 1, 16, noise)},
		{"preprocess/one pixel", pre(1, 1, 8, noise)},
		{"preprocess/to one pixel", pre(19, 31, 1, noise)},
		{"preprocess/far smaller", pre(270, 480, 16, noise)},
	}
}

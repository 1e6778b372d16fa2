// Package tables makes the small tables that decide the last bits of an op, once for all devices:
// the weights of resampled axes and the normalised values of 8-bit pixels. They are made on the
// host because Pillow's are made in float64 and in a certain order, which no device has to follow
// again.
package tables

import "math"

// Axis is the weights of one resampled axis: output i is the sum of Count[i] source elements from
// First[i] on, with Weight[i*Taps...] each.
type Axis[W int32 | float32] struct {
	First, Count []int32
	Weight       []W
	Taps         int // the most that an output can have
}

func newAxis[W int32 | float32](out, taps int) Axis[W] {
	return Axis[W]{make([]int32, out), make([]int32, out), make([]W, out*taps), taps}
}

// Cubic makes Pillow's weights, in units of 2^-22: Keys' cubic with a = -1/2 over 2 max(in/out, 1)
// elements to each side of the aligned centre, cut at the edges and normalised in float64, then
// rounded half away from zero. Weights of 0 at the ends are left out, so that an axis whose size
// does not change has the single weight 1.
func Cubic(in, out int) Axis[int32] {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	shrink, support := 1/stretch, 2*stretch
	a := newAxis[int32](out, 2*int(math.Ceil(support))+1)
	w := make([]float64, a.Taps)
	for i := range out {
		centre := (float64(i) + 0.5) * scale
		lo, hi := max(int(centre-support+0.5), 0), min(int(centre+support+0.5), in)
		sum := 0.0
		for j := range hi - lo {
			w[j] = keys((float64(lo+j) - centre + 0.5) * shrink)
			sum += w[j]
		}
		row := a.Weight[i*a.Taps:][:0]
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
		a.First[i], a.Count[i] = int32(lo), int32(len(row))
	}
	return a
}

// keys is the cubic convolution kernel with a = -1/2 (R. Keys, 1981). The order of operations
// decides the last bit of a weight, and with it, now and then, a rounded one.
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

// Triangle makes the weights of antialiased bilinear interpolation: a tent of width 2 max(in/out,
// 1) source elements about the aligned centre, cut at the edges and normalised, in float32.
func Triangle(in, out int) Axis[float32] {
	scale := float32(in) / float32(out)
	support := max(scale, 1)
	a := newAxis[float32](out, 2*int(support+1)+1)
	for i := range out {
		centre := float32(scale * (float32(i) + 0.5))
		lo, hi := max(int(centre-support+0.5), 0), min(int(centre+support+0.5), in)
		row := a.Weight[i*a.Taps:][:hi-lo]
		var sum float32
		for j := range row {
			row[j] = tent((float32(lo+j) - centre + 0.5) / support)
			sum += row[j]
		}
		for j := range row {
			row[j] /= sum
		}
		a.First[i], a.Count[i] = int32(lo), int32(hi-lo)
	}
	return a
}

func tent(x float32) float32 { return max(0, 1-max(x, -x)) }

// Normalised is (v/255 - mean)/std for every 8-bit value and channel, [256][3]: the quotient in
// float64, stored as float32, the rest in float32.
func Normalised(mean, std [3]float32) []float32 {
	table := make([]float32, 0, 256*3)
	for v := range 256 {
		for c := range 3 {
			table = append(table, (float32(float64(v)/255)-mean[c])/std[c])
		}
	}
	return table
}

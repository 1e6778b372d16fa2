package sam2

import "math"

// The tables that the network computes rather than stores. Each follows the reference's formula
// with its float32 steps where a rounded intermediate decides the result (indices, angles), and
// rounds once at the end elsewhere.

// sine2D returns the two-dimensional sine encoding of a side x side map, [side*side, feats]: the
// first half of the channels encodes y, the second x, sines and cosines alternating.
func sine2D(side int, p SineConfig) []float32 {
	feats := p.NumPosFeats
	half := feats / 2
	scale := p.Scale
	if scale == 0 {
		scale = 2 * math.Pi
	}
	axis := make([]float32, side*half) // [side, half]
	for i := range side {
		at := float32(i+1) / (float32(side) + 1e-6) * float32(scale)
		for c := range half {
			angle := float64(at / power(p.Temperature, float32(2*(c/2))/float32(half)))
			if c%2 == 0 {
				axis[i*half+c] = float32(math.Sin(angle))
			} else {
				axis[i*half+c] = float32(math.Cos(angle))
			}
		}
	}
	out := make([]float32, 0, side*side*feats)
	for y := range side {
		for x := range side {
			out = append(out, axis[y*half:][:half]...)
			out = append(out, axis[x*half:][:half]...)
		}
	}
	return out
}

// sine1D returns the encoding of one distance, [dim]: all sines, then all cosines. The temperature
// is 10000.
func sine1D(u float32, dim int) []float32 {
	half := dim / 2
	out := make([]float32, dim)
	for c := range half {
		angle := float64(u / power(10000, float32(2*(c/2))/float32(half)))
		out[c], out[half+c] = float32(math.Sin(angle)), float32(math.Cos(angle))
	}
	return out
}

// power returns base to a float32 exponent, rounded to float32.
func power(base float64, exponent float32) float32 {
	return float32(math.Pow(base, float64(exponent)))
}

// axisTables returns the cosines and sines of rotary positions along one axis of a map, [side,
// dim/4] each.
func axisTables(side, dim int, theta float64) (cos, sin []float32) {
	for i := range side {
		for j := range dim / 4 {
			freq := 1 / power(theta, float32(4*j)/float32(dim))
			s, c := math.Sincos(float64(float32(i) * freq))
			cos, sin = append(cos, float32(c)), append(sin, float32(s))
		}
	}
	return cos, sin
}

// ropeTables returns the same for a side x side map, [side*side, dim/2] each: the first half of the
// pairs turns with x, the second with y.
func ropeTables(side, dim int, theta float64) (cos, sin []float32) {
	c, s := axisTables(side, dim, theta)
	spread := func(axis []float32) (out []float32) {
		for y := range side {
			for x := range side {
				out = append(out, axis[x*(dim/4):][:dim/4]...)
				out = append(out, axis[y*(dim/4):][:dim/4]...)
			}
		}
		return out
	}
	return spread(c), spread(s)
}

// fourier returns the random Fourier encoding of a point in [0,1] x [0,1] under the matrix g [2,
// n]: n sines, n cosines.
func fourier(g []float32, x, y float32) []float32 {
	n := len(g) / 2
	out := make([]float32, 2*n)
	x, y = 2*x-1, 2*y-1
	for i := range n {
		angle := float64(float32(2*math.Pi) * (x*g[i] + y*g[n+i]))
		out[i], out[n+i] = float32(math.Sin(angle)), float32(math.Cos(angle))
	}
	return out
}

// fourierMap returns the encodings of the pixel centres of a side x side map, [side*side, len(g)].
func fourierMap(g []float32, side int) []float32 {
	out := make([]float32, 0, side*side*len(g))
	for y := range side {
		for x := range side {
			out = append(out, fourier(g, (float32(x)+0.5)/float32(side), (float32(y)+0.5)/float32(side))...)
		}
	}
	return out
}

// positionMap returns what is added to the patches, [side*side, c]: the background position
// embedding bkg [c, h, w] enlarged by bicubic interpolation (a = -0.75, half-pixel centres, clamped
// at the border, no antialias), plus the window embedding window [c, w0, w0] repeated over the map.
func positionMap(bkg []float32, h, w int, window []float32, w0, side int) []float32 {
	if bkg == nil || window == nil {
		return nil
	}
	c := len(window) / (w0 * w0)
	rows, cols := cubicTaps(h, side), cubicTaps(w, side)
	out := make([]float32, side*side*c)
	line := make([]float64, side*w) // one channel enlarged along y: [side, w]
	for ch := range c {
		plane := bkg[ch*h*w:][:h*w]
		for y, t := range rows {
			for x := range w {
				var sum float64
				for k, at := range t.at {
					sum += t.weight[k] * float64(plane[at*w+x])
				}
				line[y*w+x] = sum
			}
		}
		for y := range side {
			for x, t := range cols {
				var sum float64
				for k, at := range t.at {
					sum += t.weight[k] * line[y*w+at]
				}
				out[(y*side+x)*c+ch] = float32(sum) + window[(ch*w0+y%w0)*w0+x%w0]
			}
		}
	}
	return out
}

// taps are the four samples that make one interpolated value.
type taps struct {
	at     [4]int
	weight [4]float64
}

// cubicTaps returns the taps of an axis of n samples enlarged to m.
func cubicTaps(n, m int) []taps {
	const a = -0.75
	near := func(t float64) float64 { return ((a+2)*t-(a+3))*t*t + 1 }  // |t| <= 1
	far := func(t float64) float64 { return ((a*t-5*a)*t+8*a)*t - 4*a } // 1 <= |t| <= 2
	out := make([]taps, m)
	scale := float32(n) / float32(m)
	for i := range out {
		r := scale*(float32(i)+0.5) - 0.5
		floor := float32(math.Floor(float64(r)))
		t := float64(r - floor)
		for k := range 4 {
			out[i].at[k] = min(max(int(floor)-1+k, 0), n-1)
		}
		out[i].weight = [4]float64{far(t + 1), near(t), near(1 - t), far(2 - t)}
	}
	return out
}

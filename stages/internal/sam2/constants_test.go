package sam2

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got float32, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(float64(got)-want) <= tolerance) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestSineEncodingPutsYFirstAndAlternates(t *testing.T) {
	p := SineConfig{NumPosFeats: 16, Normalize: true, Temperature: 10000}
	got := sine2D(8, p) // [64, 16]
	for _, c := range []struct{ y, x, channel int }{{0, 0, 0}, {3, 5, 1}, {3, 5, 6}, {3, 5, 9}, {7, 0, 12}, {0, 7, 15}} {
		at, k := c.y, c.channel
		if k >= 8 {
			at, k = c.x, k-8
		}
		angle := float64(at+1) / 8 * 2 * math.Pi / math.Pow(10000, float64(k/2*2)/8)
		want := math.Sin(angle)
		if k%2 == 1 {
			want = math.Cos(angle)
		}
		near(t, "an encoding", got[(c.y*8+c.x)*16+c.channel], want, 2e-6)
	}
}

func TestDistanceEncodingIsAllSinesThenAllCosines(t *testing.T) {
	got := sine1D(7.0/15, 8)
	for c := range 4 {
		angle := 7.0 / 15 / math.Pow(10000, float64(c/2*2)/4)
		near(t, "a sine", got[c], math.Sin(angle), 1e-7)
		near(t, "a cosine", got[4+c], math.Cos(angle), 1e-7)
	}
}

func TestRotationTablesTurnTheFirstHalfWithXAndTheSecondWithY(t *testing.T) {
	const side, dim = 4, 16
	cos, sin := ropeTables(side, dim, 10000)
	for token := range side * side {
		x, y := token%side, token/side
		for j := range dim / 2 {
			at, k := x, j
			if j >= dim/4 {
				at, k = y, j-dim/4
			}
			angle := float64(at) * math.Pow(10000, -4*float64(k)/dim)
			near(t, "a cosine", cos[token*dim/2+j], math.Cos(angle), 1e-6)
			near(t, "a sine", sin[token*dim/2+j], math.Sin(angle), 1e-6)
		}
	}
}

func TestFourierEncodingOfAPoint(t *testing.T) {
	g := []float32{0.5, -1.25, 0.75, 0.1} // [2, 2]
	got := fourier(g, 0.25, 0.9)
	for i := range 2 {
		angle := 2 * math.Pi * (-0.5*float64(g[i]) + 0.8*float64(g[2+i]))
		near(t, "a sine", got[i], math.Sin(angle), 2e-6)
		near(t, "a cosine", got[2+i], math.Cos(angle), 2e-6)
	}
}

// Bicubic interpolation reproduces constants everywhere; with a = -0.75 the sample half way between
// 0 and 1 of a step is 1/2 by symmetry, and a unit impulse spreads by the kernel's own values.
func TestPositionMapInterpolatesAndTiles(t *testing.T) {
	const n, side = 4, 8
	flat := make([]float32, n*n)
	for i := range flat {
		flat[i] = 2
	}
	window := []float32{0, 1, 10, 11} // [1, 2, 2]
	got := positionMap(flat, n, n, window, 2, side)
	for y := range side {
		for x := range side {
			near(t, "constant + tile", got[y*side+x], float64(2+x%2+10*(y%2)), 1e-6)
		}
	}
	impulse := make([]float32, n*n)
	impulse[1*n+1] = 1
	got = positionMap(impulse, n, n, []float32{0}, 1, side)
	kernel := func(t float64) float64 {
		const a = -0.75
		switch t = math.Abs(t); {
		case t <= 1:
			return (a+2)*t*t*t - (a+3)*t*t + 1
		case t < 2:
			return a*t*t*t - 5*a*t*t + 8*a*t - 4*a
		}
		return 0
	}
	for y := range side {
		for x := range side {
			dy, dx := (float64(y)+0.5)/2-0.5-1, (float64(x)+0.5)/2-0.5-1
			near(t, "an impulse", got[y*side+x], kernel(dy)*kernel(dx), 1e-6)
		}
	}
}

func TestComposedMapsAreTheProduct(t *testing.T) {
	// outer [2, 3], inner [3, 2]
	w, b := compose([]float32{1, 2, 3, 4, 5, 6}, []float32{10, 20}, []float32{1, 0, 0, 1, 1, 1}, []float32{1, 2, 3})
	want := []float32{4, 5, 10, 11}
	for i := range want {
		near(t, "a weight", w[i], float64(want[i]), 0)
	}
	near(t, "a bias", b[0], 10+1+4+9, 0)
	near(t, "a bias", b[1], 20+4+10+18, 0)
}

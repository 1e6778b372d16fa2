package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// onEach runs a test on every set of kernels, with 1 and 3 workers.
func onEach(t *testing.T, test func(t *testing.T, d *Device)) {
	for _, set := range sets() {
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d", set, threads), func(t *testing.T) { test(t, open(t, set, threads)) })
		}
	}
}

// open returns a device that is closed, and must then be empty, at the end of the test. Its kernels
// are those of a set, or the best that the processor can run.
func open(t testing.TB, set string, threads int) *Device {
	t.Helper()
	d := newDevice(kernelsOf(t, set), threads, cHeap{}, cacheLimit)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// fixture makes the tensors of one test and frees them at its end.
type fixture struct {
	t testing.TB
	d *Device
}

func (f fixture) tensor(data []float32, shape ...int) *kernels.Tensor {
	f.t.Helper()
	x, err := kernels.Write(f.d, kernels.F32, data, shape...)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.d.Free(x) })
	return x
}

func (f fixture) zeros(shape ...int) *kernels.Tensor {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return f.tensor(make([]float32, n), shape...)
}

func (f fixture) pack(w []float32, n, k int) *kernels.Tensor {
	f.t.Helper()
	x := f.tensor(w, n, k)
	p, err := f.d.Pack(x)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.d.Free(p) })
	return p
}

func (f fixture) do(op kernels.Op) {
	f.t.Helper()
	if err := f.d.Do(op); err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) read(x *kernels.Tensor) []float32 {
	f.t.Helper()
	out, err := kernels.Read[float32](f.d, x)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func noise(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

// near fails unless every element is within tol of want.
func near(t testing.TB, got []float32, want []float64, tol float64) {
	t.Helper()
	for i := range want {
		if d := math.Abs(float64(got[i]) - want[i]); !(d <= tol) {
			t.Fatalf("element %d of %d is %g, want %g", i, len(want), got[i], want[i])
		}
	}
}

func same(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if !slices.Equal(got, want) {
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], want[i])
			}
		}
		t.Fatalf("%s: lengths %d and %d", what, len(got), len(want))
	}
}

func act(a kernels.Act, x float64) float64 {
	switch a {
	case kernels.ReLU:
		return max(x, 0)
	case kernels.GELU:
		return x / 2 * (1 + math.Erf(x/math.Sqrt2))
	case kernels.Sigmoid:
		return 1 / (1 + math.Exp(-x))
	}
	return x
}

// product is act(x wᵀ + bias + res) in float64.
func product(x, w, bias, res []float32, m, n, k int, a kernels.Act) []float64 {
	y := make([]float64, m*n)
	for i := range m {
		for j := range n {
			s := 0.0
			for l := range k {
				s += float64(x[i*k+l]) * float64(w[j*k+l])
			}
			if bias != nil {
				s += float64(bias[j])
			}
			if res != nil {
				s += float64(res[(i*n+j)%len(res)])
			}
			y[i*n+j] = act(a, s)
		}
	}
	return y
}

func TestLinearIsTheProductWithItsEpilogue(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		for _, s := range []struct {
			m, n, k, res int
			act          kernels.Act
		}{
			{1, 1, 1, 0, kernels.None}, {7, 33, 5, 7, kernels.GELU}, {50, 96, 147, 25, kernels.ReLU}, {13, 100, 64, 1, kernels.Sigmoid}, {61, 70, 1024, 0, kernels.None},
		} {
			f := fixture{t, d}
			x, w, bias := noise(1, s.m*s.k), noise(2, s.n*s.k), noise(3, s.n)
			var res []float32
			op := kernels.Linear{X: f.tensor(x, s.m, s.k), W: f.pack(w, s.n, s.k), Bias: f.tensor(bias, s.n), Act: s.act, Y: f.zeros(s.m, s.n)}
			if s.res > 0 {
				res = noise(4, s.res*s.n)
				op.Res = f.tensor(res, s.res, s.n)
			}
			f.do(op)
			near(t, f.read(op.Y), product(x, w, bias, res, s.m, s.n, s.k, s.act), 2e-6*float64(s.k+20))
		}
	})
}

// A row's result must not depend on how many rows there are, hence on the tile it falls in.
func TestLinearRowsDoNotDependOnEachOther(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		f := fixture{t, d}
		const m, n, k = 100, 75, 130
		x, w := noise(1, m*k), f.pack(noise(2, n*k), n, k)
		all := f.zeros(m, n)
		f.do(kernels.Linear{X: f.tensor(x, m, k), W: w, Act: kernels.GELU, Y: all})
		want := f.read(all)
		for _, rows := range []int{1, 2, 5, 11, 12, 13, 17, 23, 50} {
			y := f.zeros(rows, n)
			f.do(kernels.Linear{X: f.tensor(x[(m-rows)*k:], rows, k), W: w, Act: kernels.GELU, Y: y})
			same(t, fmt.Sprint(rows, " rows"), f.read(y), want[(m-rows)*n:])
		}
	})
}

// Fused multiply-adds in the order of K give the same bytes with 8 and with 16 lanes.
func TestVectorLengthDoesNotChangeProducts(t *testing.T) {
	if !slices.Contains(available(), "avx512") {
		t.Skip("this processor has no AVX-512")
	}
	const m, n, k = 40, 75, 300
	var want []float32
	for _, isa := range []string{"avx2", "avx512"} {
		f := fixture{t, open(t, isa, 2)}
		y := f.zeros(m, n)
		f.do(kernels.Linear{X: f.tensor(noise(1, m*k), m, k), W: f.pack(noise(2, n*k), n, k), Bias: f.tensor(noise(3, n), n), Act: kernels.GELU, Y: y})
		if got := f.read(y); want == nil {
			want = got
		} else {
			same(t, isa, got, want)
		}
	}
}

func TestMatMulNTMultipliesRowsWithRows(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		for _, s := range [][3]int{{1, 1, 1}, {4, 129, 32}, {30, 40, 50}} {
			f := fixture{t, d}
			m, n, k := s[0], s[1], s[2]
			a, b, y := noise(1, m*k), noise(2, n*k), f.zeros(m, n)
			f.do(kernels.MatMulNT{A: f.tensor(a, m, k), B: f.tensor(b, n, k), Y: y})
			near(t, f.read(y), product(a, b, nil, nil, m, n, k, kernels.None), 1e-4)
		}
	})
}

func TestConv2DIsTheSumUnderTheKernel(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		for _, s := range []struct{ b, h, w, c, n, kernel, stride, pad int }{
			{1, 1, 1, 1, 1, 1, 1, 0}, {2, 9, 11, 3, 40, 7, 4, 3}, {1, 8, 6, 5, 7, 3, 2, 1}, {2, 5, 4, 6, 33, 3, 1, 1}, {1, 4, 4, 8, 3, 2, 2, 0}, {1, 6, 6, 4, 5, 1, 2, 0}, {1, 2, 1, 2, 3, 7, 1, 3},
		} {
			f := fixture{t, d}
			oh, ow := (s.h+2*s.pad-s.kernel)/s.stride+1, (s.w+2*s.pad-s.kernel)/s.stride+1
			k := s.kernel * s.kernel * s.c
			x, w, bias, res := noise(1, s.b*s.h*s.w*s.c), noise(2, s.n*k), noise(3, s.n), noise(4, oh*ow*s.n)
			rows := make([]float32, 0, s.b*oh*ow*k)
			for o := range s.b * oh * ow {
				b, oy, ox := o/(oh*ow), o/ow%oh, o%ow
				for q := range k {
					iy, ix := oy*s.stride-s.pad+q/s.c/s.kernel, ox*s.stride-s.pad+q/s.c%s.kernel
					v := float32(0)
					if iy >= 0 && iy < s.h && ix >= 0 && ix < s.w {
						v = x[((b*s.h+iy)*s.w+ix)*s.c+q%s.c]
					}
					rows = append(rows, v)
				}
			}
			y := f.zeros(s.b, oh, ow, s.n)
			f.do(kernels.Conv2D{X: f.tensor(x, s.b, s.h, s.w, s.c), W: f.pack(w, s.n, k), Bias: f.tensor(bias, s.n), Res: f.tensor(res, oh, ow, s.n),
				Kernel: s.kernel, Stride: s.stride, Pad: s.pad, Act: kernels.ReLU, Y: y})
			near(t, f.read(y), product(rows, w, bias, res, s.b*oh*ow, s.n, k, kernels.ReLU), 1e-4)
		}
	})
}

func TestUpConvSpreadsEachPixelOverFour(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		for _, s := range [][5]int{{1, 1, 1, 1, 1}, {2, 3, 5, 7, 9}, {1, 4, 15, 16, 32}} {
			f := fixture{t, d}
			b, h, w, c, n := s[0], s[1], s[2], s[3], s[4]
			x, wt, bias, res := noise(1, b*h*w*c), noise(2, 4*n*c), noise(3, n), noise(4, b*h*w*4*n)
			want := make([]float64, 4*b*h*w*n)
			for i, v := range product(x, wt, nil, nil, b*h*w, 4*n, c, kernels.None) {
				p, q, j := i/(4*n), i/n%4, i%n
				o := ((p/w*2+q/2)*2*w+p%w*2+q%2)*n + j
				want[o] = act(kernels.GELU, v+float64(bias[j])+float64(res[o]))
			}
			y := f.zeros(b, 2*h, 2*w, n)
			f.do(kernels.UpConv{X: f.tensor(x, b, h, w, c), W: f.pack(wt, 4*n, c), Bias: f.tensor(bias, n), Res: f.tensor(res, b, 2*h, 2*w, n), Act: kernels.GELU, Y: y})
			near(t, f.read(y), want, 2e-5)
		}
	})
}

func TestTheResidualMayBeTheResult(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		f := fixture{t, d}
		const m, n, k = 29, 50, 64
		x, w, res := noise(1, m*k), noise(2, n*k), noise(3, m*n)
		y := f.tensor(res, m, n)
		f.do(kernels.Linear{X: f.tensor(x, m, k), W: f.pack(w, n, k), Res: y, Y: y})
		near(t, f.read(y), product(x, w, nil, res, m, n, k, kernels.None), 1e-4)
	})
}

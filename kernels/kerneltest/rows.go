package kerneltest

import (
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// References of the ops on rows and elements.

// evaluateRows evaluates the ops on rows and elements; nil for other ops.
func evaluateRows[F real](op kernels.Op, at content[F]) (y []F, exactly bool) {
	switch o := op.(type) {
	case kernels.LayerNorm:
		return layerNorm(o, at), within
	case kernels.Add:
		return add(o, at), within
	case kernels.Activate:
		return activate(o, at), within
	case kernels.Cast:
		return cast(o, at), exact
	case kernels.Fill:
		return fill[F](o), exact
	case kernels.CountAbove:
		return countAbove(o, at), exact
	}
	return nil, within
}

func layerNorm[F real](o kernels.LayerNorm, at content[F]) []F {
	x, gamma, beta := at(o.X), at(o.Gamma), at(o.Beta)
	c := len(gamma)
	y := make([]F, len(x))
	for r := 0; r < len(x); r += c {
		var mean, variance F
		for _, v := range x[r : r+c] {
			mean += v
		}
		mean /= F(c)
		for _, v := range x[r : r+c] {
			variance += (v - mean) * (v - mean)
		}
		variance /= F(c)
		inv := 1 / F(math.Sqrt(float64(variance+F(o.Eps))))
		for i := range c {
			y[r+i] = act(o.Act, (x[r+i]-mean)*inv*gamma[i]+beta[i])
		}
	}
	return y
}

func add[F real](o kernels.Add, at content[F]) []F {
	a, b := at(o.A), at(o.B)
	y := make([]F, len(a))
	for i := range y {
		y[i] = a[i] + F(o.Alpha)*b[i%len(b)]
	}
	return y
}

func activate[F real](o kernels.Activate, at content[F]) []F {
	y := at(o.X)
	for i := range y {
		y[i] = F(o.Scale)*act(o.Act, y[i]) + F(o.Bias)
	}
	return y
}

func cast[F real](o kernels.Cast, at content[F]) []F {
	y := at(o.X)
	for i := range y {
		switch {
		case o.X.DType == kernels.F32 && o.Y.DType == kernels.F16:
			y[i] = F(fromF16(toF16(float32(y[i]))))
		case o.X.DType == kernels.F32 && o.Y.DType == kernels.BF16:
			y[i] = F(fromBF16(toBF16(float32(y[i]))))
		}
	}
	return y
}

func fill[F real](o kernels.Fill) []F {
	y := make([]F, o.Y.Len())
	for i := range y {
		y[i] = F(o.Value)
	}
	return y
}

func countAbove[F real](o kernels.CountAbove, at content[F]) []F {
	x := at(o.X)
	n, m := o.X.Dim(0), o.X.Dim(1)
	var y []F
	for r := range n {
		for _, threshold := range o.Thresholds {
			var count F
			for _, v := range x[r*m : (r+1)*m] {
				if v > F(threshold) {
					count++
				}
			}
			y = append(y, count)
		}
	}
	return y
}

// toF16 rounds to nearest even through arithmetic: the spacing of half floats at x is a power of
// two, at least 2^-24, and adding and subtracting x's multiple of it is done in float64 where it is
// exact.
func toF16(x float32) uint16 {
	sign := uint16(math.Float32bits(x) >> 16 & 0x8000)
	a := math.Abs(float64(x))
	switch {
	case a != a:
		return sign | 0x7e00
	case a >= 65520: // half way from the largest half, 65504, to the next power
		return sign | 0x7c00
	}
	_, e := math.Frexp(a) // a < 2^e
	step := math.Ldexp(1, max(e-11, -24))
	a = math.RoundToEven(a/step) * step
	if a < math.Ldexp(1, -14) {
		return sign | uint16(math.Ldexp(a, 24))
	}
	frac, e := math.Frexp(a) // frac in [1/2, 1)
	return sign | uint16(e+14)<<10 | uint16(math.Ldexp(frac, 11))&0x3ff
}

func fromF16(h uint16) float32 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	e, m := int(h>>10&31), float64(h&0x3ff)
	switch e {
	case 31:
		if m != 0 {
			return float32(math.NaN())
		}
		return float32(math.Inf(int(sign)))
	case 0:
		return float32(math.Copysign(math.Ldexp(m, -24), sign))
	}
	return float32(sign * math.Ldexp(1024+m, e-25))
}

func toBF16(x float32) uint16 {
	u := math.Float32bits(x)
	if x != x {
		return uint16(u>>16) | 0x40
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

func fromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

func rowCases() []Case {
	norm := func(eps float32, a kernels.Act, inPlace bool, shape ...int) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			c := shape[len(shape)-1]
			op := kernels.LayerNorm{X: mk.Scaled(3, shape...), Gamma: mk.F32(c), Beta: mk.F32(c), Eps: eps, Act: a}
			if op.Y = op.X; !inPlace {
				op.Y = mk.Out(shape...)
			}
			return op
		}
	}
	plus := func(a, b []int, alpha float32) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			return kernels.Add{A: mk.F32(a...), B: mk.F32(b...), Alpha: alpha, Y: mk.Out(a...)}
		}
	}
	castCase := func(from, to kernels.DType, host func(*Maker) []byte) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			b := host(mk)
			n := len(b) / from.Size()
			return kernels.Cast{X: mk.Bytes(from, b, n), Y: mk.OutOf(to, n)}
		}
	}
	cases := []Case{
		{"layer-norm/tokens of 96", norm(1e-6, kernels.None, false, 50, 96)},
		{"layer-norm/tokens of 256 in place", norm(1e-5, kernels.None, true, 2, 33, 256)},
		{"layer-norm/odd width", norm(1e-6, kernels.None, false, 7, 53)},
		{"layer-norm/widths below a vector", norm(1e-6, kernels.None, false, 9, 4)},
		{"layer-norm/width 1", norm(1e-6, kernels.None, false, 5, 1)},
		{"layer-norm/one wide row", norm(1e-6, kernels.None, false, 1, 1152)},
		{"layer-norm/map with gelu", norm(1e-6, kernels.GELU, false, 1, 9, 7, 16)},
		{"layer-norm/relu in place", norm(1e-6, kernels.ReLU, true, 21, 64)},
		{"layer-norm/large mean, small spread", func(mk *Maker) kernels.Op {
			x := mk.rng.floats(8*96, 1)
			for i := range x {
				x[i] = 1000 + x[i]
			}
			return kernels.LayerNorm{X: mk.Data(x, 8, 96), Gamma: mk.F32(96), Beta: mk.F32(96), Eps: 1e-6, Y: mk.Out(8, 96)}
		}},
		{"layer-norm/a constant row", func(mk *Maker) kernels.Op {
			x := make([]float32, 3*40)
			for i := range x {
				x[i] = 0.5
			}
			return kernels.LayerNorm{X: mk.Data(x, 3, 40), Gamma: mk.F32(40), Beta: mk.F32(40), Eps: 1e-6, Y: mk.Out(3, 40)}
		}},
		{"layer-norm/many rows", norm(1e-6, kernels.None, false, 1000, 96)},
		{"add/many rows of b", plus([]int{111, 1001}, []int{1001}, 1)},
		{"add/same length", plus([]int{3, 1001}, []int{3, 1001}, 1)},
		{"add/scaled", plus([]int{70, 33}, []int{70, 33}, 0.1)},
		{"add/b repeats over leading axes", plus([]int{2, 31, 17}, []int{31, 17}, -2)},
		{"add/b is one row", plus([]int{300, 24}, []int{24}, 1)},
		{"add/b is one element", plus([]int{1000}, []int{1}, 0.5)},
		{"add/in place", func(mk *Maker) kernels.Op {
			a := mk.F32(5000)
			return kernels.Add{A: a, B: mk.F32(1000), Alpha: 1, Y: a}
		}},
		{"add/onto b", func(mk *Maker) kernels.Op {
			b := mk.F32(777)
			return kernels.Add{A: mk.F32(777), B: b, Alpha: 3, Y: b}
		}},
		{"add/to itself", func(mk *Maker) kernels.Op {
			a := mk.F32(130)
			return kernels.Add{A: a, B: a, Alpha: 0.25, Y: a}
		}},
		{"activate/a large array in place", func(mk *Maker) kernels.Op {
			x := mk.Scaled(5, 70001)
			return kernels.Activate{X: x, Act: kernels.GELU, Scale: 1, Y: x}
		}},
		{"activate/sigmoid for the memory encoder", func(mk *Maker) kernels.Op {
			return kernels.Activate{X: mk.Scaled(30, 64, 64), Act: kernels.Sigmoid, Scale: 20, Bias: -10, Y: mk.Out(64, 64)}
		}},
		{"activate/tails", func(mk *Maker) kernels.Op {
			x := []float32{-1e30, -1024, -104, -88, -20, -10, -6, -5.5, -1e-30, 0, 1e-30, 5.5, 6, 10, 20, 88, 104, 1024}
			return kernels.Activate{X: mk.Data(x, len(x)), Act: kernels.Sigmoid, Scale: 1, Y: mk.Out(len(x))}
		}},
		{"activate/gelu of large values", func(mk *Maker) kernels.Op {
			x := []float32{-1e6, -1024, -20, -10, -6, -5.5, -4, 4, 5.5, 6}
			return kernels.Activate{X: mk.Data(x, len(x)), Act: kernels.GELU, Scale: 1, Y: mk.Out(len(x))}
		}},
		{"activate/step of zeros", func(mk *Maker) kernels.Op {
			x := []float32{0, float32(math.Copysign(0, -1)), 1e-45, -1e-45, 1, -1}
			return kernels.Activate{X: mk.Data(x, len(x)), Act: kernels.Step, Scale: 1, Y: mk.Out(len(x))}
		}},
		{"cast/f32 to bf16, any bits", castCase(kernels.F32, kernels.BF16, anyFloats)},
		{"cast/f32 to f16, any bits", castCase(kernels.F32, kernels.F16, anyFloats)},
		{"cast/f32 to f16, ties and edges", castCase(kernels.F32, kernels.F16, halfEdges)},
		{"cast/f32 to bf16, ties and edges", castCase(kernels.F32, kernels.BF16, halfEdges)},
		{"cast/bf16 to f32, all values", castCase(kernels.BF16, kernels.F32, allHalves)},
		{"cast/f16 to f32, all values", castCase(kernels.F16, kernels.F32, allHalves)},
		{"cast/f32 copy", castCase(kernels.F32, kernels.F32, anyFloats)},
		{"cast/bf16 copy", castCase(kernels.BF16, kernels.BF16, allHalves)},
		{"cast/u8 copy", castCase(kernels.U8, kernels.U8, allHalves)},
		{"cast/i32 copy", castCase(kernels.I32, kernels.I32, allHalves)},
		{"fill/long", func(mk *Maker) kernels.Op { return kernels.Fill{Y: mk.Out(100003), Value: 3} }},
		{"fill/odd length", func(mk *Maker) kernels.Op { return kernels.Fill{Y: mk.Out(3, 337), Value: -1024} }},
		{"fill/one element", func(mk *Maker) kernels.Op { return kernels.Fill{Y: mk.Out(1), Value: 0.1} }},
		{"count-above/stability thresholds", func(mk *Maker) kernels.Op {
			return kernels.CountAbove{X: mk.F32(4, 64*64), Thresholds: []float32{0.05, -0.05}, Y: mk.OutOf(kernels.I32, 4, 2)}
		}},
		{"count-above/equal is not above", func(mk *Maker) kernels.Op {
			return kernels.CountAbove{X: mk.Data([]float32{0, 0, 1, -1, 0, 0, 0}, 1, 7), Thresholds: []float32{0, -1, 1}, Y: mk.OutOf(kernels.I32, 1, 3)}
		}},
		{"count-above/odd length", func(mk *Maker) kernels.Op {
			return kernels.CountAbove{X: mk.F32(3, 7777), Thresholds: []float32{0.5}, Y: mk.OutOf(kernels.I32, 3, 1)}
		}},
		{"count-above/long rows", func(mk *Maker) kernels.Op {
			return kernels.CountAbove{X: mk.F32(2, 100003), Thresholds: []float32{0.5, 0, -0.5}, Y: mk.OutOf(kernels.I32, 2, 3)}
		}},
		{"count-above/one element a row", func(mk *Maker) kernels.Op {
			return kernels.CountAbove{X: mk.F32(11, 1), Thresholds: []float32{0}, Y: mk.OutOf(kernels.I32, 11, 1)}
		}},
	}
	for a, name := range actNames {
		cases = append(cases,
			Case{"activate/" + name, func(mk *Maker) kernels.Op {
				return kernels.Activate{X: mk.Scaled(6, 1003), Act: a, Scale: 1.5, Bias: -0.25, Y: mk.Out(1003)}
			}},
			Case{"layer-norm/" + name, norm(1e-6, a, false, 19, 48)})
	}
	return cases
}

// anyFloats is random bit patterns: every exponent, infinities and NaN among them.
func anyFloats(mk *Maker) []byte {
	v := make([]float32, 20011)
	for i := range v {
		v[i] = math.Float32frombits(uint32(mk.rng.next()))
	}
	copy(v, []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32})
	return kernels.HostBytes(v)
}

// halfEdges is every finite f16 and bf16, the value half way to the next one, and the floats beside
// that.
func halfEdges(*Maker) []byte {
	var v []float32
	for h := range uint32(1 << 16) {
		if h%7 != 0 && h&0x3ff > 3 && h&0x3ff < 0x3fc {
			continue // all at the binade edges, one in seven elsewhere
		}
		for _, x := range []float32{fromF16(uint16(h)), fromBF16(uint16(h))} {
			u := math.Float32bits(x)
			for _, half := range []uint32{1 << 12, 1 << 15} {
				for _, d := range []uint32{0, half - 1, half, half + 1} {
					v = append(v, math.Float32frombits(u+d))
				}
			}
		}
	}
	return kernels.HostBytes(v)
}

// allHalves is every 16-bit pattern.
func allHalves(*Maker) []byte {
	v := make([]uint16, 1<<16)
	for i := range v {
		v[i] = uint16(i)
	}
	return kernels.HostBytes(v)
}

// rowRandoms draw random cases of the ops on rows and elements; see random.go.
var rowRandoms = map[string]func(*draw) (what string, cost float64, b build){
	"layer-norm": func(d *draw) (string, float64, build) {
		n, c, act := d.n(300), d.n(300), d.act()
		return fmt.Sprintf("%d rows of %d, %s", n, c, actNames[act]), float64(n * c), func(mk *Maker) kernels.Op {
			return kernels.LayerNorm{X: mk.Scaled(3, n, c), Gamma: mk.F32(c), Beta: mk.F32(c), Eps: 1e-2, Act: act, Y: mk.Out(n, c)}
		}
	},
	"add": func(d *draw) (string, float64, build) {
		n, times := d.n(600), d.n(100)
		return fmt.Sprintf("%d, %d times", n, times), float64(n * times), func(mk *Maker) kernels.Op {
			return kernels.Add{A: mk.F32(times, n), B: mk.F32(n), Alpha: 0.5, Y: mk.Out(times, n)}
		}
	},
	"activate": func(d *draw) (string, float64, build) {
		n, act := d.elements(), d.act()
		return fmt.Sprintf("%d, %s", n, actNames[act]), float64(n), func(mk *Maker) kernels.Op {
			return kernels.Activate{X: mk.Scaled(6, n), Act: act, Scale: 1.5, Bias: -0.25, Y: mk.Out(n)}
		}
	},
	"cast": func(d *draw) (string, float64, build) {
		types := []kernels.DType{kernels.F32, kernels.F16, kernels.BF16, kernels.U8, kernels.I32}
		from, n := types[d.below(len(types))], d.elements()
		to := from
		switch {
		case from == kernels.F32:
			to = types[d.below(3)]
		case from == kernels.F16 || from == kernels.BF16:
			to = []kernels.DType{from, kernels.F32}[d.below(2)]
		}
		return fmt.Sprintf("%d %v to %v", n, from, to), float64(n), func(mk *Maker) kernels.Op {
			host := make([]byte, n*from.Size())
			encode(host, from, decode[float64](kernels.F32, kernels.HostBytes(mk.rng.floats(n, 100))))
			return kernels.Cast{X: mk.Bytes(from, host, n), Y: mk.OutOf(to, n)}
		}
	},
	"fill": func(d *draw) (string, float64, build) {
		n := d.elements()
		return fmt.Sprint(n), float64(n), func(mk *Maker) kernels.Op { return kernels.Fill{Y: mk.Out(n), Value: 0.1} }
	},
	"count-above": func(d *draw) (string, float64, build) {
		n, m, k := 1+d.below(4), d.elements(), 1+d.below(3)
		return fmt.Sprintf("%d rows of %d, %d thresholds", n, m, k), float64(n * m * k), func(mk *Maker) kernels.Op {
			return kernels.CountAbove{X: mk.F32(n, m), Thresholds: []float32{0.5, 0, -0.5}[:k], Y: mk.OutOf(kernels.I32, n, k)}
		}
	},
}

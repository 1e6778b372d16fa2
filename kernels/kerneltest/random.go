package kerneltest

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Random cases: every op at sizes that are 1, or a device's block, or one more or less than that, or anything. They are small
// enough for the reference to take some milliseconds.

// RandomOps names the ops that Random knows, which are all.
func RandomOps() []string { return slices.Sorted(maps.Keys(randoms)) }

// Random returns a case of an op. edges are sizes at which the device begins a new block, panel or task.
func Random(op string, seed uint64, edges []int) Case {
	h := fnv.New64a()
	fmt.Fprint(h, op, seed)
	d := &draw{rng{h.Sum64()}, edges}
	for {
		if what, cost, build := randoms[op](d); cost <= 3e6 {
			return Case{fmt.Sprintf("%s/%d %s", op, seed, what), build}
		}
	}
}

// draw makes choices.
type draw struct {
	rng
	edges []int
}

func (d *draw) below(n int) int  { return int(d.next() >> 33 % uint64(n)) }
func (d *draw) coin() bool       { return d.below(2) == 0 }
func (d *draw) of(of ...int) int { return of[d.below(len(of))] }

// n returns a size up to most: 1, or one near an edge, or any, small ones more often.
func (d *draw) n(most int) int {
	switch d.below(8) {
	case 0:
		return 1
	case 1, 2, 3, 4:
		for range 20 {
			if n := d.of(d.edges...) + d.below(3) - 1; n >= 1 && n <= most {
				return n
			}
		}
	}
	return 1 + d.below(1+d.below(most))
}

func (d *draw) act() kernels.Act { return kernels.Act(d.below(int(kernels.Step))) } // a step of nearly 0 is anything

// residual returns how many rows a residual has that is added to this many, 0 for none.
func (d *draw) residual(rows int) int {
	for n := rows; n > 0; n-- {
		if rows%n == 0 && d.coin() {
			return n
		}
	}
	return 0
}

// build makes an op on a device, after its sizes have been drawn.
type build = func(*Maker) kernels.Op

// optional is F32, or nil if there are no rows or channels.
func (m *Maker) optional(shape ...int) *kernels.Tensor {
	if slices.Contains(shape, 0) {
		return nil
	}
	return m.F32(shape...)
}

// randoms draw the sizes of an op and return them in words, the work of the reference, and the op.
var randoms = map[string]func(*draw) (what string, cost float64, b build){
	"linear": func(d *draw) (string, float64, build) {
		m, n, k, act := d.n(300), d.n(300), d.n(600), d.act()
		if d.below(4) == 0 {
			k = d.of(1023, 1024, 1025, 2048)
		}
		bias, res := n*d.below(2), d.residual(m)
		return fmt.Sprintf("%dx%d of %d, bias %d, residual of %d rows, %s", m, n, k, bias, res, actNames[act]), float64(m * n * k), func(mk *Maker) kernels.Op {
			return kernels.Linear{X: mk.F32(m, k), W: mk.Packed(n, k), Bias: mk.optional(bias), Res: mk.optional(res, n), Act: act, Y: mk.Out(m, n)}
		}
	},
	"matmul-nt": func(d *draw) (string, float64, build) {
		m, n, k := d.n(300), d.n(300), d.n(600)
		return fmt.Sprintf("%dx%d of %d", m, n, k), float64(m * n * k), func(mk *Maker) kernels.Op {
			return kernels.MatMulNT{A: mk.F32(m, k), B: mk.F32(n, k), Y: mk.Out(m, n)}
		}
	},
	"conv2d": func(d *draw) (string, float64, build) {
		b, h, w, c, n, kernel, stride, act := 1+d.below(2), d.n(60), d.n(60), d.n(70), d.n(100), 1+d.below(7), 1+d.below(4), d.act()
		pad := d.below(kernel)
		h, w = max(h, kernel-2*pad), max(w, kernel-2*pad)
		oh, ow, bias := (h+2*pad-kernel)/stride+1, (w+2*pad-kernel)/stride+1, n*d.below(2)
		res := d.residual(oh * ow)
		return fmt.Sprintf("%dx%dx%dx%d to %d, kernel %d stride %d pad %d, bias %d, residual of %d pixels, %s", b, h, w, c, n, kernel, stride, pad, bias, res, actNames[act]),
			float64(b * oh * ow * n * kernel * kernel * c), func(mk *Maker) kernels.Op {
				return kernels.Conv2D{X: mk.F32(b, h, w, c), W: mk.Packed(n, kernel*kernel*c), Bias: mk.optional(bias), Res: mk.optional(res, n),
					Kernel: kernel, Stride: stride, Pad: pad, Act: act, Y: mk.Out(b, oh, ow, n)}
			}
	},
	"depthwise-conv": func(d *draw) (string, float64, build) {
		b, h, w, c, kernel := 1+d.below(2), d.n(30), d.n(40), d.n(150), d.of(1, 3, 5, 7, 7, 7)
		return fmt.Sprintf("%dx%dx%dx%d, kernel %d", b, h, w, c, kernel), float64(b * h * w * c * kernel * kernel), func(mk *Maker) kernels.Op {
			return kernels.DepthwiseConv{X: mk.F32(b, h, w, c), W: mk.F32(kernel, kernel, c), Bias: mk.F32(c), Kernel: kernel, Y: mk.Out(b, h, w, c)}
		}
	},
	"up-conv": func(d *draw) (string, float64, build) {
		b, h, w, c, n, act, res := 1+d.below(2), d.n(20), d.n(60), d.n(150), d.n(70), d.act(), d.coin()
		return fmt.Sprintf("%dx%dx%dx%d to %d, residual %v, %s", b, h, w, c, n, res, actNames[act]), float64(4 * b * h * w * c * n), func(mk *Maker) kernels.Op {
			op := kernels.UpConv{X: mk.F32(b, h, w, c), W: mk.Packed(4*n, c), Bias: mk.F32(n), Act: act, Y: mk.Out(b, 2*h, 2*w, n)}
			if res {
				op.Res = mk.F32(b, 2*h, 2*w, n)
			}
			return op
		}
	},
	"attention": func(d *draw) (string, float64, build) {
		nq, nk, heads, dk, dv := d.n(600), d.n(600), d.of(1, 1, 2, 3), d.n(300), d.n(300)
		if d.coin() {
			dv = dk
		}
		if d.below(4) == 0 { // whole blocks of keys for few queries
			nq, nk = 1+d.below(8), d.of(80, 160, 256)
		}
		return fmt.Sprintf("%d queries, %d keys, %d heads, %d channels, values of %d", nq, nk, heads, dk, dv), float64(nq * nk * heads * (dk + dv)), func(mk *Maker) kernels.Op {
			return kernels.Attention{Q: mk.Scaled(2, nq, heads*dk), K: mk.Scaled(2, nk, heads*dk), V: mk.F32(nk, heads*dv), Heads: heads,
				Scale: float32(1 / math.Sqrt(float64(dk))), Y: mk.Out(nq, heads*dv)}
		}
	},
	"window-attention": func(d *draw) (string, float64, build) {
		b, h, w, heads, dk, window, pool := 1+d.below(2), d.n(34), d.n(34), d.of(1, 1, 2, 3), d.n(300), d.n(34), d.coin()
		if d.below(4) == 0 {
			window = 0
		}
		oh, ow := h, w
		if pool {
			h, w, window = h+h%2, w+w%2, window+window%2
			oh, ow = h/2, w/2
		}
		keys, c := window*window, heads*dk
		if window == 0 {
			keys = h * w
		}
		return fmt.Sprintf("%dx%dx%d, %d heads of %d, windows of %d, pool %v", b, h, w, heads, dk, window, pool), float64(2 * b * oh * ow * keys * c), func(mk *Maker) kernels.Op {
			return kernels.WindowAttention{QKV: mk.Scaled(2, b, h, w, 3*c), PadQKV: mk.F32(3 * c), Heads: heads, Window: window, Pool: pool, Y: mk.Out(b, oh, ow, c)}
		}
	},
	"rotary-attention": func(d *draw) (string, float64, build) {
		nq, dk, m, side, count, rest, dv := d.n(500), 4*d.n(64), d.n(100), d.n(34), d.n(240)-1, d.n(300)-1, d.n(200)
		if d.below(6) == 0 { // many queries, and whole pieces of rows
			nq, dk, m, side, count, rest, dv = 1000, 4, d.n(20), 1, 0, 224, d.n(8)
		}
		n := count*side*side + rest
		if n == 0 {
			rest, n = 1, 1
		}
		return fmt.Sprintf("%d queries of %d, %d maps of %dx%d and %d rows of %d, values of %d", nq, dk, count, side, side, rest, m, dv),
			float64(n*dk*m + nq*n*(dk+dv)), func(mk *Maker) kernels.Op {
				return rotary(mk, nq, dk, m, side, count, rest, dv, 1)
			}
	},
	"rope": func(d *draw) (string, float64, build) {
		n, pairs, p, inPlace := d.n(300), d.n(150), d.n(300), d.coin()
		rows := d.below(n + 1)
		return fmt.Sprintf("%d of %d rows, %d pairs, table of %d, in place %v", rows, n, pairs, p, inPlace), float64(n * pairs), func(mk *Maker) kernels.Op {
			op := kernels.RoPE{X: mk.F32(n, 2*pairs), Cos: mk.F32(p, pairs), Sin: mk.F32(p, pairs), Rows: rows}
			if op.Y = op.X; !inPlace {
				op.Y = mk.Out(n, 2*pairs)
			}
			return op
		}
	},
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
	"max-pool": func(d *draw) (string, float64, build) {
		b, h, w, c := 1+d.below(2), d.n(30), d.n(30), d.n(150)
		return fmt.Sprintf("%dx%dx%dx%d", b, 2*h, 2*w, c), float64(4 * b * h * w * c), func(mk *Maker) kernels.Op {
			return kernels.MaxPool{X: mk.F32(b, 2*h, 2*w, c), Y: mk.Out(b, h, w, c)}
		}
	},
	"upsample-add": func(d *draw) (string, float64, build) {
		b, h, w, c := 1+d.below(2), d.n(30), d.n(30), d.n(150)
		return fmt.Sprintf("%dx%dx%dx%d", b, 2*h, 2*w, c), float64(4 * b * h * w * c), func(mk *Maker) kernels.Op {
			return kernels.UpsampleAdd{X: mk.F32(b, 2*h, 2*w, c), Top: mk.F32(b, h, w, c), Y: mk.Out(b, 2*h, 2*w, c)}
		}
	},
	"resize": func(d *draw) (string, float64, build) {
		n, h, w, oh, ow, antialias := 1+d.below(3), d.n(150), d.n(150), d.n(150), d.n(150), d.coin()
		return fmt.Sprintf("%d of %dx%d to %dx%d, antialias %v", n, h, w, oh, ow, antialias), float64(10 * n * (h*w + h*ow + oh*ow)), func(mk *Maker) kernels.Op {
			return kernels.Resize{X: mk.Scaled(10, n, h, w), Y: mk.Out(n, oh, ow), Antialias: antialias}
		}
	},
	"preprocess": func(d *draw) (string, float64, build) {
		h, w, s := d.n(200), d.n(200), d.n(150)
		return fmt.Sprintf("%dx%d to %dx%d", h, w, s, s), float64(30 * (h*w + h*s + s*s)), func(mk *Maker) kernels.Op {
			picture := make([]byte, 3*h*w)
			for i := range picture {
				picture[i] = byte(mk.rng.next())
			}
			return kernels.Preprocess{X: mk.Bytes(kernels.U8, picture, h, w, 3), Mean: imageNetMean, Std: imageNetStd, Y: mk.Out(s, s, 3)}
		}
	},
	"mask-boxes": func(d *draw) (string, float64, build) {
		n, h, w, oh, ow := 1+d.below(3), d.n(60), d.n(60), d.n(150), d.n(150)
		v := make([]float32, n*h*w)
		for i := range v {
			v[i] = -10.3
		}
		for p := range n {
			v[p*h*w+d.below(h*w)] = 7.7
		}
		cost := float64(10 * n * (h*w + h*ow + oh*ow))
		if !isClear(v, n, h, w, oh, ow) {
			cost = math.Inf(1) // another one
		}
		return fmt.Sprintf("%d of %dx%d to %dx%d", n, h, w, oh, ow), cost, func(mk *Maker) kernels.Op {
			return kernels.MaskBoxes{X: mk.Data(v, n, h, w), H: oh, W: ow, Y: mk.OutOf(kernels.I32, n, 4)}
		}
	},
	"count-above": func(d *draw) (string, float64, build) {
		n, m, k := 1+d.below(4), d.elements(), 1+d.below(3)
		return fmt.Sprintf("%d rows of %d, %d thresholds", n, m, k), float64(n * m * k), func(mk *Maker) kernels.Op {
			return kernels.CountAbove{X: mk.F32(n, m), Thresholds: []float32{0.5, 0, -0.5}[:k], Y: mk.OutOf(kernels.I32, n, k)}
		}
	},
}

// elements is the length of an op on elements, now and then of several tasks.
func (d *draw) elements() int {
	if d.below(4) == 0 {
		return 30000 + d.below(70000)
	}
	return d.n(600)
}

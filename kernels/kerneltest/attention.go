package kerneltest

import (
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// References of attention, with every score materialised, and of the rotation of queries and keys.

// evaluateAttention evaluates attention and rotation; nil for other ops.
func evaluateAttention[F real](op kernels.Op, at content[F]) (y []F, exactly bool) {
	switch o := op.(type) {
	case kernels.Attention:
		return attention(o, at), within
	case kernels.WindowAttention:
		return windowAttention(o, at), within
	case kernels.RotaryAttention:
		return rotaryAttention(o, at), within
	case kernels.RoPE:
		return rope(o, at), within
	}
	return nil, within
}

// softmaxRow turns scores into weights that sum to 1.
func softmaxRow[F real](s []F) {
	top := s[0]
	for _, v := range s {
		top = max(top, v)
	}
	var sum F
	for i := range s {
		s[i] = F(math.Exp(float64(s[i] - top)))
		sum += s[i]
	}
	for i := range s {
		s[i] /= sum
	}
}

func attention[F real](o kernels.Attention, at content[F]) []F {
	q, k, v := at(o.Q), at(o.K), at(o.V)
	nq, nk := o.Q.Dim(0), o.K.Dim(0)
	d, dv := o.Q.Dim(1)/o.Heads, o.V.Dim(1)/o.Heads
	y := make([]F, nq*o.Heads*dv)
	s := make([]F, nk)
	for h := range o.Heads {
		for i := range nq {
			for j := range nk {
				s[j] = F(o.Scale) * dot(q[(i*o.Heads+h)*d:][:d], k[(j*o.Heads+h)*d:][:d])
			}
			softmaxRow(s)
			row := y[(i*o.Heads+h)*dv:][:dv]
			for j := range nk {
				for c := range row {
					row[c] += s[j] * v[(j*o.Heads+h)*dv+c]
				}
			}
		}
	}
	return y
}

func windowAttention[F real](o kernels.WindowAttention, at content[F]) []F {
	qkv, pad := at(o.QKV), at(o.PadQKV)
	h, w, c := o.QKV.Dim(1), o.QKV.Dim(2), o.QKV.Dim(3)/3
	oh, ow := o.Y.Dim(1), o.Y.Dim(2)
	d := c / o.Heads
	winH, winW, step := o.Window, o.Window, 1
	if o.Window == 0 {
		winH, winW = h, w
	}
	if o.Pool {
		step = 2
	}
	token := func(b, y, x int) []F { // [3*C] of a pixel or of the padding
		if y < h && x < w {
			return qkv[((b*h+y)*w+x)*3*c:][:3*c]
		}
		return pad
	}
	scale := F(1 / math.Sqrt(float64(d)))
	y := make([]F, o.Y.Len())
	for i := range len(y) / c {
		b, py, px := i/(oh*ow), i/ow%oh*step, i%ow*step
		y0, x0 := py/winH*winH, px/winW*winW
		query := append([]F(nil), token(b, py, px)[:c]...)
		for _, at := range [][2]int{{0, 1}, {1, 0}, {1, 1}}[:3*(step-1)] {
			for j, v := range token(b, py+at[0], px+at[1])[:c] {
				query[j] = max(query[j], v)
			}
		}
		for head := range o.Heads {
			s := make([]F, winH*winW)
			for j := range s {
				s[j] = scale * dot(query[head*d:][:d], token(b, y0+j/winW, x0+j%winW)[c+head*d:][:d])
			}
			softmaxRow(s)
			for j := range s {
				v := token(b, y0+j/winW, x0+j%winW)[2*c+head*d:][:d]
				for k := range v {
					y[i*c+head*d+k] += s[j] * v[k]
				}
			}
		}
	}
	return y
}

func rope[F real](o kernels.RoPE, at content[F]) []F {
	x, cos, sin := at(o.X), at(o.Cos), at(o.Sin)
	d, p := o.X.Dim(1), o.Cos.Dim(0)
	y := append([]F(nil), x...)
	for r := range o.Rows {
		for j := range d / 2 {
			a, b := x[r*d+2*j], x[r*d+2*j+1]
			c, s := cos[r%p*(d/2)+j], sin[r%p*(d/2)+j]
			y[r*d+2*j], y[r*d+2*j+1] = a*c-b*s, a*s+b*c
		}
	}
	return y
}

func rotaryAttention[F real](o kernels.RotaryAttention, at content[F]) []F {
	q, x, wt, bias, cos, sin, v := at(o.Q), at(o.X), at(o.W), at(o.Bias), at(o.Cos), at(o.Sin), at(o.V)
	d, m, side, dv := o.Q.Dim(1), o.X.Dim(1), o.Cos.Dim(0), o.V.Dim(1)
	keys := make([][]F, o.X.Dim(0))
	for n := range keys {
		k := make([]F, d)
		for c := range k {
			k[c] = bias[c] + dot(x[n*m:][:m], wt[c*m:][:m])
		}
		if n < o.Maps*side*side {
			for j := range d / 2 {
				place := n % side // the column
				if j >= d/4 {
					place = n / side % side
				}
				c, s := cos[place*(d/4)+j%(d/4)], sin[place*(d/4)+j%(d/4)]
				k[2*j], k[2*j+1] = k[2*j]*c-k[2*j+1]*s, k[2*j]*s+k[2*j+1]*c
			}
		}
		keys[n] = k
	}
	y := make([]F, o.Y.Len())
	s := make([]F, len(keys))
	for i := range o.Q.Dim(0) {
		for n, k := range keys {
			s[n] = F(o.Scale) * dot(q[i*d:][:d], k)
		}
		softmaxRow(s)
		for n := range keys {
			for c := range dv {
				y[i*dv+c] += s[n] * v[n*dv+c]
			}
		}
	}
	return y
}

// rotary makes an attention to some maps and to the rest of the rows, which do not turn.
func rotary(mk *Maker, nq, d, m, side, maps, rest, dv int, gain float32) kernels.Op {
	step := mk.rng.floats(d/4, math.Pi)
	var cos, sin []float32
	for i := range side * d / 4 {
		s, c := math.Sincos(float64(i/(d/4)) * float64(step[i%(d/4)]))
		cos, sin = append(cos, float32(c)), append(sin, float32(s))
	}
	n := maps*side*side + rest
	return kernels.RotaryAttention{Q: mk.Scaled(gain, nq, d), X: mk.F32(n, m), W: mk.F32(d, m), Bias: mk.F32(d),
		Cos: mk.Data(cos, side, d/4), Sin: mk.Data(sin, side, d/4), Maps: maps, V: mk.F32(n, dv),
		Scale: float32(1 / math.Sqrt(float64(d))), Y: mk.Out(nq, dv)}
}

func attentionCases() []Case {
	att := func(nq, nk, heads, d, dv int, gain float32) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			return kernels.Attention{Q: mk.Scaled(gain, nq, heads*d), K: mk.Scaled(gain, nk, heads*d), V: mk.F32(nk, heads*dv),
				Heads: heads, Scale: float32(1 / math.Sqrt(float64(d))), Y: mk.Out(nq, heads*dv)}
		}
	}
	win := func(b, h, w, heads, d, window int, pool bool) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			c, oh, ow := heads*d, h, w
			if pool {
				oh, ow = h/2, w/2
			}
			return kernels.WindowAttention{QKV: mk.Scaled(2, b, h, w, 3*c), PadQKV: mk.F32(3 * c), Heads: heads, Window: window, Pool: pool, Y: mk.Out(b, oh, ow, c)}
		}
	}
	rot := func(n, d, p, rows int, inPlace bool) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			angles := mk.rng.floats(p*d/2, math.Pi)
			cos, sin := make([]float32, len(angles)), make([]float32, len(angles))
			for i, a := range angles {
				cos[i], sin[i] = float32(math.Cos(float64(a))), float32(math.Sin(float64(a)))
			}
			op := kernels.RoPE{X: mk.F32(n, d), Cos: mk.Data(cos, p, d/2), Sin: mk.Data(sin, p, d/2), Rows: rows}
			if op.Y = op.X; !inPlace {
				op.Y = mk.Out(n, d)
			}
			return op
		}
	}
	rotary := func(nq, d, m, side, maps, rest, dv int, gain float32) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op { return rotary(mk, nq, d, m, side, maps, rest, dv, gain) }
	}
	return []Case{
		{"rotary-attention/seven maps and pointers", rotary(50, 32, 16, 6, 7, 12, 16, 1)},
		{"rotary-attention/one map", rotary(97, 16, 8, 5, 1, 0, 8, 2)},
		{"rotary-attention/rows that do not turn", rotary(7, 16, 8, 3, 0, 70, 24, 2)},
		{"rotary-attention/many maps", rotary(13, 8, 12, 2, 40, 3, 5, 1)},
		{"rotary-attention/odd widths", rotary(11, 12, 7, 3, 2, 1, 9, 1)},
		{"rotary-attention/as in SAM 2", rotary(20, 256, 64, 8, 7, 64, 64, 1)},
		{"rotary-attention/a wide map", rotary(3, 8, 4, 20, 3, 0, 4, 1)},
		{"rotary-attention/huge scores", rotary(20, 32, 16, 5, 3, 9, 8, 30)},
		{"attention/one query, one key", att(1, 1, 1, 8, 8, 1)},
		{"attention/8 tokens, 8 heads of 32", att(8, 8, 8, 32, 32, 2)},
		{"attention/tokens to image, head 16", att(9, 300, 8, 16, 16, 2)},
		{"attention/image to tokens, head 16", att(300, 9, 8, 16, 16, 2)},
		{"attention/one head of 256", att(65, 130, 1, 256, 256, 1)},
		{"attention/narrow values", att(33, 257, 1, 256, 64, 1)},
		{"attention/wide values", att(17, 45, 2, 24, 80, 1)},
		{"attention/heads of 72", att(70, 70, 2, 72, 72, 1)},
		{"attention/heads of 56", att(31, 67, 4, 56, 56, 1)},
		{"attention/odd head", att(13, 29, 3, 7, 5, 1)},
		{"attention/many keys", att(5, 4133, 1, 64, 64, 1)},
		{"attention/huge scores", att(20, 150, 2, 32, 32, 60)},
		{"attention/scores of -1024 in all but one key", func(mk *Maker) kernels.Op {
			q, k := make([]float32, 12*16), make([]float32, 77*16)
			for i := range 12 {
				q[i*16] = 1
			}
			for j := range 77 {
				k[j*16] = -1024
			}
			k[50*16] = 3
			return kernels.Attention{Q: mk.Data(q, 12, 16), K: mk.Data(k, 77, 16), V: mk.F32(77, 16), Heads: 1, Scale: 1, Y: mk.Out(12, 16)}
		}},
		{"attention/all scores -1024", func(mk *Maker) kernels.Op {
			q, k := make([]float32, 3*8), make([]float32, 41*8)
			for i := range q {
				q[i] = 1
			}
			for j := range k {
				k[j] = -128
			}
			return kernels.Attention{Q: mk.Data(q, 3, 8), K: mk.Data(k, 41, 8), V: mk.F32(41, 8), Heads: 1, Scale: 1, Y: mk.Out(3, 8)}
		}},
		{"attention/scores that rise along the keys", func(mk *Maker) kernels.Op {
			q, k := mk.rng.floats(40*8, 1), mk.rng.floats(600*8, 1)
			for j := range k {
				k[j] += float32(j/8) / 20 * q[j%8] // along the first query
			}
			return kernels.Attention{Q: mk.Data(q, 40, 8), K: mk.Data(k, 600, 8), V: mk.F32(600, 8), Heads: 1, Scale: 1, Y: mk.Out(40, 8)}
		}},
		{"window-attention/windows of 8", win(2, 16, 24, 1, 24, 8, false)},
		{"window-attention/windows of 4, heads", win(1, 8, 12, 3, 16, 4, false)},
		{"window-attention/windows of 14, padded", win(2, 16, 19, 2, 12, 14, false)},
		{"window-attention/windows of 7, padded", win(1, 8, 9, 2, 24, 7, false)},
		{"window-attention/a window larger than the map", win(1, 5, 6, 1, 8, 16, false)},
		{"window-attention/pooled, windows of 8", win(1, 16, 16, 2, 24, 8, true)},
		{"window-attention/pooled, windows of 4", win(2, 8, 12, 2, 16, 4, true)},
		{"window-attention/pooled and padded, windows of 14", win(1, 16, 18, 2, 12, 14, true)},
		{"window-attention/global", win(2, 9, 7, 2, 24, 0, false)},
		{"window-attention/global and pooled", win(1, 10, 6, 2, 16, 0, true)},
		{"window-attention/head of 96", win(1, 8, 8, 1, 96, 8, false)},
		{"window-attention/head of 72", win(1, 16, 16, 2, 72, 16, false)},
		{"window-attention/head of 5", win(1, 4, 4, 3, 5, 4, false)},
		{"rope/all rows", rot(64, 32, 64, 64, false)},
		{"rope/table repeats, last rows are copied", rot(37, 18, 16, 33, false)},
		{"rope/in place", rot(70, 256, 32, 64, true)},
		{"rope/many rows", rot(400, 256, 100, 390, false)},
		{"rope/no rows", rot(5, 6, 3, 0, false)},
		{"rope/one pair", rot(9, 2, 4, 8, true)},
	}
}

// attentionRandoms draw random cases of attention and rotation; see random.go.
var attentionRandoms = map[string]func(*draw) (what string, cost float64, b build){
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
}

package cpu

import (
	"fmt"
	"math"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// attend is softmax(scale q kᵀ) v for one query in float64. Rows of k and v are given by functions.
func attend(q []float32, nk, dv int, scale float64, k, v func(i int) []float32) []float64 {
	s, top := make([]float64, nk), math.Inf(-1)
	for i := range s {
		for j := range q {
			s[i] += scale * float64(q[j]) * float64(k(i)[j])
		}
		top = max(top, s[i])
	}
	sum, y := 0.0, make([]float64, dv)
	for i := range s {
		p := math.Exp(s[i] - top)
		sum += p
		for j := range y {
			y[j] += p * float64(v(i)[j])
		}
	}
	for j := range y {
		y[j] /= sum
	}
	return y
}

func TestAttentionIsTheSoftmaxOfEachHead(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		for _, s := range []struct{ nq, nk, heads, d, dv int }{
			{1, 1, 1, 1, 1}, {3, 7, 2, 5, 3}, {130, 300, 1, 24, 17}, {33, 129, 8, 4, 8}, {9, 128, 2, 32, 40},
		} {
			f := fixture{t, d}
			q, k, v := noise(1, s.nq*s.heads*s.d), noise(2, s.nk*s.heads*s.d), noise(3, s.nk*s.heads*s.dv)
			y := f.zeros(s.nq, s.heads*s.dv)
			f.do(kernels.Attention{Q: f.tensor(q, s.nq, s.heads*s.d), K: f.tensor(k, s.nk, s.heads*s.d), V: f.tensor(v, s.nk, s.heads*s.dv),
				Heads: s.heads, Scale: 0.7, Y: y})
			var want []float64
			for i := range s.nq {
				for h := range s.heads {
					at := (i*s.heads + h) * s.d
					want = append(want, attend(q[at:at+s.d], s.nk, s.dv, 0.7,
						func(i int) []float32 { return k[(i*s.heads+h)*s.d:] }, func(i int) []float32 { return v[(i*s.heads+h)*s.dv:] })...)
				}
			}
			near(t, f.read(y), want, 2e-5)
		}
	})
}

func TestAttentionSurvivesLargeScores(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		f := fixture{t, d}
		k, v := make([]float32, 300), make([]float32, 300)
		for i := range k {
			k[i], v[i] = float32(i)*10, float32(i)
		}
		y := f.zeros(2, 1)
		f.do(kernels.Attention{Q: f.tensor([]float32{1, -1}, 2, 1), K: f.tensor(k, 300, 1), V: f.tensor(v, 300, 1), Heads: 1, Scale: 1, Y: y})
		near(t, f.read(y), []float64{299, 0}, 0.02)
	})
}

func TestWindowAttentionStaysInItsWindow(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		for _, s := range []struct {
			b, h, w, heads, d, window int
			pool                      bool
		}{
			{1, 1, 1, 1, 1, 1, false}, {2, 8, 8, 2, 16, 4, false}, {1, 10, 7, 3, 5, 4, false}, {2, 6, 9, 1, 12, 0, false}, {1, 14, 12, 2, 20, 14, false},
			{1, 8, 8, 2, 6, 4, true}, {2, 10, 14, 1, 17, 4, true}, {1, 6, 4, 2, 8, 0, true}, {1, 24, 24, 1, 8, 24, true}, {1, 3, 2, 1, 4, 14, false},
		} {
			f := fixture{t, d}
			c := s.heads * s.d
			qkv, pad := noise(1, s.b*s.h*s.w*3*c), noise(2, 3*c)
			oh, ow, step := s.h, s.w, 1
			if s.pool {
				oh, ow, step = oh/2, ow/2, 2
			}
			wh, ww := s.window, s.window
			if s.window == 0 {
				wh, ww = s.h, s.w
			}
			var want []float64
			for i := range s.b * oh * ow * s.heads {
				b, y, x, h := i/s.heads/ow/oh, i/s.heads/ow%oh*step, i/s.heads%ow*step, i%s.heads
				token := func(y, x int) []float32 {
					if y >= s.h || x >= s.w {
						return pad
					}
					return qkv[((b*s.h+y)*s.w+x)*3*c:]
				}
				q := make([]float32, s.d)
				for j := range q {
					q[j] = token(y, x)[h*s.d+j]
					if s.pool {
						q[j] = max(q[j], token(y, x+1)[h*s.d+j], token(y+1, x)[h*s.d+j], token(y+1, x+1)[h*s.d+j])
					}
				}
				at := func(i int) []float32 { return token(y/wh*wh+i/ww, x/ww*ww+i%ww) }
				want = append(want, attend(q, wh*ww, s.d, 1/math.Sqrt(float64(s.d)),
					func(i int) []float32 { return at(i)[c+h*s.d:] }, func(i int) []float32 { return at(i)[2*c+h*s.d:] })...)
			}
			out := f.zeros(s.b, oh, ow, c)
			f.do(kernels.WindowAttention{QKV: f.tensor(qkv, s.b, s.h, s.w, 3*c), PadQKV: f.tensor(pad, 3*c), Heads: s.heads, Window: s.window, Pool: s.pool, Y: out})
			near(t, f.read(out), want, 1e-5)
		}
	})
}

// The queries beside a query, the pictures beside a picture and the number of workers change no
// byte.
func TestAttentionOfAQueryDoesNotDependOnTheOthers(t *testing.T) {
	for _, isa := range sets() {
		var whole []float32
		for _, threads := range []int{1, 2} {
			f := fixture{t, open(t, isa, threads)}
			const nq, nk, c = 200, 260, 24
			q, k, v := noise(1, nq*c), f.tensor(noise(2, nk*c), nk, c), f.tensor(noise(3, nk*c), nk, c)
			y := f.zeros(nq, c)
			f.do(kernels.Attention{Q: f.tensor(q, nq, c), K: k, V: v, Heads: 2, Scale: 0.5, Y: y})
			if whole == nil {
				whole = f.read(y)
			}
			same(t, fmt.Sprint(isa, " threads ", threads), f.read(y), whole)
			for _, from := range []int{1, 77, 150, 199} {
				y := f.zeros(nq-from, c)
				f.do(kernels.Attention{Q: f.tensor(q[from*c:], nq-from, c), K: k, V: v, Heads: 2, Scale: 0.5, Y: y})
				same(t, fmt.Sprint(isa, " queries from ", from), f.read(y), whole[from*c:])
			}
		}
	}
}

func TestWindowAttentionOfAPictureDoesNotDependOnTheBatch(t *testing.T) {
	for _, isa := range sets() {
		f := fixture{t, open(t, isa, 2)}
		const h, w, c = 10, 14, 12
		qkv, pad := noise(1, 2*h*w*3*c), f.tensor(noise(2, 3*c), 3*c)
		for _, window := range []int{0, 4} {
			both, one := f.zeros(2, h, w, c), f.zeros(1, h, w, c)
			f.do(kernels.WindowAttention{QKV: f.tensor(qkv, 2, h, w, 3*c), PadQKV: pad, Heads: 2, Window: window, Y: both})
			f.do(kernels.WindowAttention{QKV: f.tensor(qkv[h*w*3*c:], 1, h, w, 3*c), PadQKV: pad, Heads: 2, Window: window, Y: one})
			same(t, fmt.Sprint(isa, " window ", window), f.read(one), f.read(both)[h*w*c:])
		}
	}
}

package cuda

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/kerneltest"
)

// onAttentions calls f for devices of each precision, with processors enough to cut keys into
// parts, and without.
func onAttentions(t *testing.T, f func(t *testing.T, d *Device)) {
	cases := []struct {
		precision  Precision
		processors int
	}{{Float32, 1}, {Float32, 6}, {BFloat16, 1}, {BFloat16, 6}, {Float16, 6}}
	if testing.Short() {
		cases = cases[1:3]
		t.Log("f32 on 6 processors and bf16 on one")
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%v, %d processors", c.precision, c.processors), func(t *testing.T) {
			d := open(t, c.precision)
			d.processors = c.processors
			f(t, d)
		})
	}
}

// checkAttention carries out a case as the precision of the device asks for.
func checkAttention(d *Device, c kerneltest.Case) error {
	if d.precision == Float32 {
		return kerneltest.Check(d, c)
	}
	return kerneltest.CheckRounded(d, c)
}

func checkAttentions(t *testing.T, d *Device) {
	for _, c := range kerneltest.Cases() {
		if op, _, _ := strings.Cut(c.Name, "/"); strings.HasSuffix(op, "attention") {
			if err := checkAttention(d, c); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
	}
}

func TestAttentionInEveryPrecision(t *testing.T) { onAttentions(t, checkAttentions) }

// Each kernel once, with rows and keys that fill no tile, in as many parts as said.
func TestEveryAttentionKernel(t *testing.T) {
	attention := func(nq, nk, heads, d, dv int) func(*kerneltest.Maker) kernels.Op {
		return func(m *kerneltest.Maker) kernels.Op {
			return kernels.Attention{Q: m.Scaled(2, nq, heads*d), K: m.Scaled(2, nk, heads*d), V: m.F32(nk, heads*dv), Heads: heads,
				Scale: float32(1 / math.Sqrt(float64(d))), Y: m.Out(nq, heads*dv)}
		}
	}
	windows := func(maps, h, w, heads, d, window int, pool bool) func(*kerneltest.Maker) kernels.Op {
		return func(m *kerneltest.Maker) kernels.Op {
			c, oh, ow := heads*d, h, w
			if pool {
				oh, ow = h/2, w/2
			}
			return kernels.WindowAttention{QKV: m.Scaled(2, maps, h, w, 3*c), PadQKV: m.F32(3 * c), Heads: heads, Window: window, Pool: pool, Y: m.Out(maps, oh, ow, c)}
		}
	}
	rotary := func(nq, d, m, side, maps, rest, dv int) func(*kerneltest.Maker) kernels.Op {
		return func(mk *kerneltest.Maker) kernels.Op {
			cos, sin := make([]float32, side*d/4), make([]float32, side*d/4)
			for i := range cos {
				a := rand.New(rand.NewPCG(1, uint64(i))).Float64() * math.Pi
				cos[i], sin[i] = float32(math.Cos(a)), float32(math.Sin(a))
			}
			n := maps*side*side + rest
			return kernels.RotaryAttention{Q: mk.F32(nq, d), X: mk.F32(n, m), W: mk.F32(d, m), Bias: mk.F32(d), Cos: mk.Data(cos, side, d/4),
				Sin: mk.Data(sin, side, d/4), Maps: maps, V: mk.F32(n, dv), Scale: float32(1 / math.Sqrt(float64(d))), Y: mk.Out(nq, dv)}
		}
	}
	for _, c := range []struct {
		name, kernel string
		parts        int // on 6 processors
		make         func(*kerneltest.Maker) kernels.Op
	}{
		{"attention/few queries of head 16, many keys", "direct_16", 3, attention(9, 410, 4, 16, 16)},
		{"attention/many queries of head 16, few keys", "direct_16", 1, attention(131, 9, 3, 16, 16)},
		{"attention/head of 32", "direct_32", 2, attention(40, 300, 3, 32, 30)},
		{"attention/narrower queries than values", "direct_64", 1, attention(67, 41, 1, 6, 50)},
		{"window-attention/padded, head of 56", "direct_64", 1, windows(2, 9, 10, 2, 56, 7, false)},
		{"window-attention/pooled, head of 72", "direct_80", 1, windows(1, 16, 8, 2, 72, 8, true)},
		{"window-attention/windows of 14, head of 96", "direct_96", 1, windows(1, 15, 14, 1, 96, 14, false)},
		{"window-attention/head of 112", "direct_128", 1, windows(1, 4, 8, 1, 112, 4, false)},
		{"window-attention/head of 144", "attend_exact", 1, windows(1, 4, 6, 1, 144, 4, false)},
		{"window-attention/global, head of 56", "flash_64_64", 1, windows(2, 17, 17, 1, 56, 0, false)},
		{"window-attention/global and pooled, head of 72", "flash_80_80", 2, windows(1, 26, 22, 1, 72, 0, true)},
		{"window-attention/global, head of 96", "flash_96_96", 1, windows(1, 17, 16, 1, 96, 0, false)},
		{"attention/head of 256, values of 64", "flash_256_64", 2, attention(131, 520, 1, 256, 64)},
		{"rotary-attention/memory", "flash_256_64", 2, rotary(33, 256, 64, 12, 4, 7, 64)},
		{"rotary-attention/wide rows", "flash_256_64", 1, rotary(10, 128, 100, 6, 2, 3, 24)},
		{"attention/head of 256", "flash_256_256", 1, attention(130, 270, 1, 256, 256)},
		{"attention/head of 144", "flash_256_256", 1, attention(30, 70, 2, 144, 144)},
		{"attention/head of 300", "attend_exact", 2, attention(66, 260, 1, 300, 290)},
		{"rotary-attention/head of 260", "attend_exact", 1, rotary(20, 260, 20, 4, 2, 3, 64)},
	} {
		t.Run(c.name, func(t *testing.T) {
			onAttentions(t, func(t *testing.T, d *Device) {
				whole := kerneltest.Case{Name: c.name, Make: func(m *kerneltest.Maker) kernels.Op {
					op := c.make(m)
					p := d.planOf(op)
					if d.precision != Float32 && !strings.HasPrefix(p.kernel, c.kernel) {
						t.Errorf("the kernel is %s, want %s", p.kernel, c.kernel)
					}
					if d.precision != Float32 && d.processors > 1 && int(p.args.parts) != c.parts {
						t.Errorf("%d parts, want %d", p.args.parts, c.parts)
					}
					if d.processors == 1 && d.precision == Float32 && p.bytes != d.BorrowedBytes(op) {
						t.Errorf("%d bytes of memory, %d declared", p.bytes, d.BorrowedBytes(op))
					}
					return op
				}}
				err := checkAttention(d, whole)
				// With any of the operands in 16 bits: all, then some.
				for _, which := range []uint{15, 6, 9} {
					if d.precision == Float32 {
						break
					}
					if c, ok := kerneltest.StoredHalf(whole, d.OperandType(), which); ok {
						err = errors.Join(err, checkAttention(d, c))
					}
				}
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Keys and values in 16 bits, of a kernel's width, are not copied.
func TestAttentionReadsHalfOperandsInPlace(t *testing.T) {
	d := open(t, BFloat16)
	of := func(dt kernels.DType, shape ...int) *kernels.Tensor { return &kernels.Tensor{DType: dt, Shape: shape} }
	for _, c := range []struct {
		op    kernels.Op
		bytes int
	}{
		{kernels.Attention{Q: of(kernels.BF16, 300, 192), K: of(kernels.BF16, 300, 192), V: of(kernels.BF16, 300, 192), Heads: 2, Y: of(kernels.BF16, 300, 192)}, 0},
		{kernels.Attention{Q: of(kernels.F32, 300, 256), K: of(kernels.BF16, 300, 256), V: of(kernels.F32, 300, 64), Heads: 1, Y: of(kernels.F32, 300, 64)}, 2 * 300 * 64},
		{kernels.Attention{Q: of(kernels.F32, 300, 256), K: of(kernels.F32, 300, 256), V: of(kernels.BF16, 300, 64), Heads: 1, Y: of(kernels.F32, 300, 64)}, 2 * 300 * 256},
		{kernels.Attention{Q: of(kernels.BF16, 300, 72), K: of(kernels.BF16, 300, 72), V: of(kernels.BF16, 300, 72), Heads: 1, Y: of(kernels.BF16, 300, 72)}, 2 * 2 * 300 * 80},
		{kernels.WindowAttention{QKV: of(kernels.BF16, 1, 20, 20, 576), PadQKV: of(kernels.F32, 576), Heads: 2, Y: of(kernels.BF16, 1, 20, 20, 192)}, 0},
		{kernels.RotaryAttention{Q: of(kernels.BF16, 20, 256), X: of(kernels.BF16, 70, 64), Cos: of(kernels.F32, 4, 64), V: of(kernels.BF16, 70, 64), Y: of(kernels.BF16, 20, 64)}, 2 * 70 * 256},
	} {
		if got := d.BorrowedBytes(c.op); got < c.bytes || got >= c.bytes+512 {
			t.Errorf("%s: %d bytes beside the operands, want %d", c.op.Name(), got, c.bytes)
		}
	}
}

func TestAttentionRefusesTypesItDoesNotMultiply(t *testing.T) {
	for p, dt := range map[Precision]kernels.DType{Float32: kernels.BF16, BFloat16: kernels.F16, Float16: kernels.BF16} {
		d := open(t, p)
		for _, c := range kerneltest.Cases() {
			op, _, _ := strings.Cut(c.Name, "/")
			c, ok := kerneltest.StoredHalf(c, dt, 15)
			if !strings.HasSuffix(op, "attention") || !ok {
				continue
			}
			if _, refused := errors.AsType[*kernels.UnsupportedError](kerneltest.CheckRounded(d, c)); !refused {
				t.Errorf("%v: %s in %v: not refused", p, c.Name, dt)
			}
		}
	}
}

package cuda

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Benchmarks of single ops in the shapes of the tiny network at 1024 x 1024. On a GPU each is
// queued many times between two waits, on operands that change places so that no cache holds them
// all.

// benchCase makes an op of random operands.
type benchCase struct {
	name string
	op   func(m *operands) kernels.Op
}

// operands allocates on a device, and keeps the first error.
type operands struct {
	d   *Device
	t   testing.TB
	all []*kernels.Tensor
}

func (m *operands) f32(shape ...int) *kernels.Tensor {
	t, err := m.d.Alloc(kernels.F32, shape...)
	if err != nil {
		m.t.Fatal(err)
	}
	m.all = append(m.all, t)
	host := make([]float32, t.Len())
	state := uint32(len(m.all))
	for i := range host {
		state = state*1664525 + 1013904223
		host[i] = float32(int32(state)) / (1 << 31)
	}
	if err := m.d.Upload(t, kernels.HostBytes(host)); err != nil {
		m.t.Fatal(err)
	}
	return t
}

// factors are in what the device keeps factors in.
func (m *operands) factors(shape ...int) *kernels.Tensor {
	wide := m.f32(shape...)
	t, err := m.d.Alloc(m.d.OperandType(), shape...)
	if err == nil {
		m.all = append(m.all, t)
		err = m.d.Do(kernels.Cast{X: wide, Y: t})
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return t
}

func (m *operands) packed(n, k int) *kernels.Tensor {
	w := m.f32(n, k)
	p, err := m.d.Pack(w)
	if err != nil {
		m.t.Fatal(err)
	}
	m.all = append(m.all, p)
	return p
}

func (m *operands) free() {
	for _, t := range m.all {
		m.d.Free(t)
	}
}

func benchCases() []benchCase {
	linear := func(rows, k, n int, act kernels.Act, residual bool) benchCase {
		name := fmt.Sprintf("linear/%dx%dx%d", rows, k, n)
		if act == kernels.GELU {
			name += "-gelu"
		}
		if residual {
			name += "-residual"
		}
		return benchCase{name, func(m *operands) kernels.Op {
			op := kernels.Linear{X: m.f32(rows, k), W: m.packed(n, k), Bias: m.f32(n), Act: act}
			if rows >= 64 {
				op.X = m.factors(rows, k)
			}
			switch {
			case residual:
				op.Y = m.f32(rows, n)
				op.Res = op.Y
			case rows >= 64:
				op.Y = m.factors(rows, n)
			default:
				op.Y = m.f32(rows, n)
			}
			return op
		}}
	}
	// Attention of float32 operands, and of factors as the device keeps them.
	kind := map[bool]string{true: "factors", false: "f32"}
	operand := func(m *operands, narrow bool, shape ...int) *kernels.Tensor {
		if narrow {
			return m.factors(shape...)
		}
		return m.f32(shape...)
	}
	window := func(narrow bool, side, heads, d, window int, pool bool) benchCase {
		return benchCase{fmt.Sprintf("window-%s/%d-heads%dx%d-window%d-%v", kind[narrow], side, heads, d, window, pool), func(m *operands) kernels.Op {
			c, out := heads*d, side
			if pool {
				out /= 2
			}
			return kernels.WindowAttention{QKV: operand(m, narrow, 1, side, side, 3*c), PadQKV: m.f32(3 * c), Heads: heads, Window: window, Pool: pool,
				Y: operand(m, narrow, 1, out, out, c)}
		}}
	}
	attention := func(narrow bool, nq, nk, heads, d, dv int) benchCase {
		return benchCase{fmt.Sprintf("attention-%s/%dx%d-heads%dx%d-%d", kind[narrow], nq, nk, heads, d, dv), func(m *operands) kernels.Op {
			return kernels.Attention{Q: operand(m, narrow, nq, heads*d), K: operand(m, narrow, nk, heads*d), V: operand(m, narrow, nk, heads*dv), Heads: heads,
				Scale: 0.1, Y: operand(m, narrow, nq, heads*dv)}
		}}
	}
	rotary := func(narrow bool) benchCase {
		return benchCase{"rotary-" + kind[narrow] + "/7 maps", func(m *operands) kernels.Op {
			return kernels.RotaryAttention{Q: operand(m, narrow, 4096, 256), X: operand(m, narrow, 7*4096+64, 64), W: m.f32(256, 64), Bias: m.f32(256),
				Cos: m.f32(64, 64), Sin: m.f32(64, 64), Maps: 7, V: operand(m, narrow, 7*4096+64, 64), Scale: 1. / 16, Y: operand(m, narrow, 4096, 64)}
		}}
	}
	var attentions []benchCase
	for _, narrow := range []bool{false, true} {
		attentions = append(attentions,
			window(narrow, 256, 1, 96, 8, false), window(narrow, 128, 2, 96, 4, false), window(narrow, 64, 4, 96, 14, false), window(narrow, 64, 4, 96, 0, false),
			window(narrow, 256, 2, 96, 8, true), window(narrow, 128, 4, 96, 4, true), attention(narrow, 4096, 4096, 1, 256, 256), attention(narrow, 4096, 28736, 1, 256, 64),
			attention(narrow, 9, 4096, 8, 16, 16), attention(narrow, 4096, 9, 8, 16, 16), attention(narrow, 9, 9, 8, 32, 32), rotary(narrow))
	}
	norm := func(rows, c int) benchCase {
		return benchCase{fmt.Sprintf("layer-norm/%dx%d", rows, c), func(m *operands) kernels.Op {
			return kernels.LayerNorm{X: m.f32(rows, c), Gamma: m.f32(c), Beta: m.f32(c), Eps: 1e-6, Y: m.factors(rows, c)}
		}}
	}
	return append(attentions, []benchCase{
		{"conv/patches", func(m *operands) kernels.Op {
			return kernels.Conv2D{X: m.f32(1, 1024, 1024, 3), W: m.packed(96, 147), Bias: m.f32(96), Res: m.f32(256, 256, 96), Kernel: 7, Stride: 4, Pad: 3, Y: m.f32(1, 256, 256, 96)}
		}},
		linear(65536, 96, 288, kernels.None, false), linear(65536, 96, 384, kernels.GELU, false), linear(65536, 384, 96, kernels.None, true),
		linear(16384, 192, 768, kernels.GELU, false), linear(16384, 768, 192, kernels.None, true),
		linear(4096, 384, 1152, kernels.None, false), linear(4096, 384, 1536, kernels.GELU, false), linear(4096, 1536, 384, kernels.None, true),
		linear(4096, 256, 2048, kernels.ReLU, false), linear(4096, 2048, 256, kernels.None, true), linear(4096, 256, 256, kernels.None, false),
		linear(4096, 2304, 576, kernels.None, true), linear(8192, 8192, 8192, kernels.None, false),
		linear(8, 256, 2048, kernels.ReLU, false), linear(1, 256, 256, kernels.ReLU, false),
		norm(65536, 96), norm(4096, 256),
		{"depthwise/7x7", func(m *operands) kernels.Op {
			return kernels.DepthwiseConv{X: m.f32(1, 64, 64, 256), W: m.f32(7, 7, 256), Bias: m.f32(256), Kernel: 7, Y: m.f32(1, 64, 64, 256)}
		}},
		{"add/16M", func(m *operands) kernels.Op {
			return kernels.Add{A: m.f32(4096, 4096), B: m.f32(4096, 4096), Alpha: 1, Y: m.f32(4096, 4096)}
		}},
		{"up-conv/64x64x256", func(m *operands) kernels.Op {
			return kernels.UpConv{X: m.f32(1, 64, 64, 256), W: m.packed(256, 256), Bias: m.f32(64), Res: m.f32(1, 128, 128, 64), Y: m.f32(1, 128, 128, 64)}
		}},
		{"resize/4x256 to 1024", func(m *operands) kernels.Op {
			return kernels.Resize{X: m.f32(4, 256, 256), Y: m.f32(4, 1024, 1024)}
		}},
	}...)
}

func BenchmarkOps(b *testing.B) {
	for _, p := range []Precision{BFloat16, Float32} {
		d := open(b, p)
		if d.Info().Model == "emulator" {
			b.Skip("on the emulator these sizes take hours")
		}
		for _, c := range benchCases() {
			b.Run(p.String()+"/"+c.name, func(b *testing.B) {
				m := &operands{d: d, t: b}
				defer m.free()
				sets := []kernels.Op{c.op(m), c.op(m), c.op(m)}
				run := func(n int) time.Duration {
					start := time.Now()
					for i := range n {
						if err := d.Do(sets[i%len(sets)]); err != nil {
							b.Fatal(err)
						}
					}
					if err := d.Sync(); err != nil {
						b.Fatal(err)
					}
					return time.Since(start)
				}
				run(6)
				n := max(3, min(200, int(20*time.Millisecond/max(run(3)/3, 1))))
				best := run(n) / time.Duration(n)
				for range 4 {
					best = min(best, run(n)/time.Duration(n))
				}
				cost := sets[0].Cost()
				b.ReportMetric(float64(best.Nanoseconds())/1e3, "us")
				b.ReportMetric(cost.FLOP/best.Seconds()/1e12, "TFLOP/s")
				b.ReportMetric(cost.Bytes/best.Seconds()/1e9, "GB/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

package cpu

import (
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// run times one op and reports GFLOP/s and the share of the measured peak of as many workers. On a
// machine that others use too the mean says little; %best is the share in the fastest round.
func run(b *testing.B, d *Device, peak float64, op kernels.Op) {
	b.Helper()
	best := math.Inf(1)
	for b.Loop() {
		start := time.Now()
		if err := d.Do(op); err != nil {
			b.Fatal(err)
		}
		best = min(best, time.Since(start).Seconds())
	}
	flop := op.Cost().FLOP
	mean := flop * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(mean/1e9, "GFLOP/s")
	b.ReportMetric(100*mean/peak, "%peak")
	b.ReportMetric(100*flop/best/peak, "%best")
}

// onThreads runs a benchmark with 1 and 2 workers on the instruction set that TACHI_CPU or the
// processor picks.
func onThreads(b *testing.B, bench func(b *testing.B, d *Device, peak float64)) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			d := open(b, os.Getenv("TACHI_CPU"), threads)
			bench(b, d, d.PeakFLOPS())
		})
	}
}

func BenchmarkPeak(b *testing.B) {
	onThreads(b, func(b *testing.B, d *Device, peak float64) {
		for b.Loop() {
		}
		b.ReportMetric(d.PeakFLOPS()/1e9, "GFLOP/s")
		b.ReportMetric(d.CopyBandwidth()/1e9, "GB/s")
	})
}

// products are rows, depth and columns of the network's matrix products at 1024 x 1024.
var products = [][3]int{
	{65536, 147, 96}, {65536, 96, 288}, {65536, 96, 384}, {65536, 384, 96}, {16384, 192, 768}, {16384, 768, 192},
	{4096, 384, 1536}, {4096, 1536, 384}, {4096, 256, 2048}, {4096, 2048, 256}, {4096, 256, 256}, {1024, 768, 3072}, {1024, 3072, 768},
}

func BenchmarkLinear(b *testing.B) {
	for _, s := range products {
		b.Run(fmt.Sprintf("%dx%dx%d", s[0], s[1], s[2]), func(b *testing.B) {
			onThreads(b, func(b *testing.B, d *Device, peak float64) {
				f := fixture{b, d}
				m, k, n := s[0], s[1], s[2]
				run(b, d, peak, kernels.Linear{X: f.zeros(m, k), W: f.pack(noise(1, n*k), n, k), Bias: f.zeros(n), Y: f.zeros(m, n)})
			})
		})
	}
}

// A product of a few tokens: what one op costs before it computes anything.
func BenchmarkSmallest(b *testing.B) {
	onThreads(b, func(b *testing.B, d *Device, peak float64) {
		f := fixture{b, d}
		run(b, d, peak, kernels.Linear{X: f.zeros(8, 64), W: f.pack(noise(1, 64*64), 64, 64), Y: f.zeros(8, 64)})
	})
}

func BenchmarkAttention(b *testing.B) {
	for _, s := range []struct {
		name             string
		nq, nk, h, d, dv int
	}{
		{"cross", 4096, 28736, 1, 256, 64}, {"self", 4096, 4096, 1, 256, 256}, {"tokens-to-image", 8, 4096, 8, 16, 16}, {"image-to-tokens", 4096, 8, 8, 16, 16},
	} {
		b.Run(s.name, func(b *testing.B) {
			onThreads(b, func(b *testing.B, d *Device, peak float64) {
				f := fixture{b, d}
				q, k, v := noise(1, s.nq*s.h*s.d), noise(2, s.nk*s.h*s.d), noise(3, s.nk*s.h*s.dv)
				run(b, d, peak, kernels.Attention{Q: f.tensor(q, s.nq, s.h*s.d), K: f.tensor(k, s.nk, s.h*s.d), V: f.tensor(v, s.nk, s.h*s.dv),
					Heads: s.h, Scale: 1 / 16., Y: f.zeros(s.nq, s.h*s.dv)})
			})
		})
	}
}

// Beside BenchmarkAttention/cross, which gets its keys made and turned for nothing.
func BenchmarkRotaryAttention(b *testing.B) {
	onThreads(b, func(b *testing.B, d *Device, peak float64) {
		const nq, c, m, side, maps, n = 4096, 256, 64, 64, 7, 7*64*64 + 64
		f := fixture{b, d}
		run(b, d, peak, kernels.RotaryAttention{Q: f.tensor(noise(1, nq*c), nq, c), X: f.tensor(noise(2, n*m), n, m), W: f.tensor(noise(3, c*m), c, m),
			Bias: f.zeros(c), Cos: f.tensor(noise(4, side*c/4), side, c/4), Sin: f.tensor(noise(5, side*c/4), side, c/4), Maps: maps,
			V: f.tensor(noise(6, n*m), n, m), Scale: 1 / 16., Y: f.zeros(nq, m)})
	})
}

func BenchmarkWindowAttention(b *testing.B) {
	for _, s := range []struct{ side, c, heads, window int }{
		{256, 96, 1, 8}, {128, 192, 2, 4}, {64, 384, 4, 14}, {64, 384, 4, 0}, {32, 768, 8, 7},
	} {
		b.Run(fmt.Sprintf("%d/%d/%d", s.side, s.c, s.window), func(b *testing.B) {
			onThreads(b, func(b *testing.B, d *Device, peak float64) {
				f := fixture{b, d}
				run(b, d, peak, kernels.WindowAttention{QKV: f.tensor(noise(1, s.side*s.side*3*s.c), 1, s.side, s.side, 3*s.c), PadQKV: f.zeros(3 * s.c),
					Heads: s.heads, Window: s.window, Y: f.zeros(1, s.side, s.side, s.c)})
			})
		})
	}
}

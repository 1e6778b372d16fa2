package cpu

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// move times one op and reports the bytes it must move per second, in the mean and in the fastest
// round, and the latter's share of what the same number of workers copy from memory to memory. More
// than 100 % is a cache's.
func move(b *testing.B, d *Device, copyRate float64, op kernels.Op) {
	b.Helper()
	best := math.Inf(1)
	for b.Loop() {
		start := time.Now()
		if err := d.Do(op); err != nil {
			b.Fatal(err)
		}
		best = min(best, time.Since(start).Seconds())
	}
	bytes := op.Cost().Bytes
	b.ReportMetric(bytes*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
	b.ReportMetric(bytes/best/1e9, "GB/s-best")
	b.ReportMetric(100*bytes/best/copyRate, "%copy")
}

// BenchmarkMaps runs the ops that are bound by memory at the network's sizes, 1024 x 1024.
func BenchmarkMaps(b *testing.B) {
	for _, threads := range []int{1, 2} {
		d := open(b, "", threads)
		rate := d.CopyBandwidth()
		f := fixture{b, d}
		x := f.tensor(noise(1, 65536*96), 65536, 96)
		y := f.zeros(65536, 96)
		wide := f.tensor(noise(2, 4096*2048), 4096, 2048)
		gamma := f.tensor(noise(3, 2048), 2048)
		part := func(t *kernels.Tensor, shape ...int) *kernels.Tensor {
			n := 1
			for _, s := range shape {
				n *= s
			}
			return t.Reshape(t.Len()).Slice(0, n).Reshape(shape...)
		}
		alloc := func(dt kernels.DType, shape ...int) *kernels.Tensor {
			t, err := d.Alloc(dt, shape...)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { d.Free(t) })
			return t
		}
		for _, c := range []struct {
			name string
			op   kernels.Op
		}{
			{"add", kernels.Add{A: x, B: y, Alpha: 1, Y: y}},
			{"add-row", kernels.Add{A: x, B: part(gamma, 96), Alpha: 1, Y: y}},
			{"gelu", kernels.Activate{X: wide, Act: kernels.GELU, Scale: 1, Y: wide}},
			{"sigmoid", kernels.Activate{X: part(x, 1024, 1024), Act: kernels.Sigmoid, Scale: 20, Bias: -10, Y: part(y, 1024, 1024)}},
			{"fill", kernels.Fill{Y: y}},
			{"to-bf16", kernels.Cast{X: x, Y: alloc(kernels.BF16, 65536, 96)}},
			{"from-bf16", kernels.Cast{X: alloc(kernels.BF16, 65536, 96), Y: y}},
			{"to-f16", kernels.Cast{X: x, Y: alloc(kernels.F16, 65536, 96)}},
			{"layer-norm-96", kernels.LayerNorm{X: x, Gamma: part(gamma, 96), Beta: part(gamma, 96), Eps: 1e-6, Y: y}},
			{"layer-norm-256", kernels.LayerNorm{X: part(x, 4096, 256), Gamma: part(gamma, 256), Beta: part(gamma, 256), Eps: 1e-6, Y: part(y, 4096, 256)}},
			{"layer-norm-64-gelu", kernels.LayerNorm{X: part(x, 16384, 64), Gamma: part(gamma, 64), Beta: part(gamma, 64), Eps: 1e-6, Act: kernels.GELU, Y: part(y, 16384, 64)}},
			{"layer-norm-16-gelu", kernels.LayerNorm{X: part(x, 65536, 16), Gamma: part(gamma, 16), Beta: part(gamma, 16), Eps: 1e-6, Act: kernels.GELU, Y: part(y, 65536, 16)}},
			{"layer-norm-4-gelu", kernels.LayerNorm{X: part(x, 262144, 4), Gamma: part(gamma, 4), Beta: part(gamma, 4), Eps: 1e-6, Act: kernels.GELU, Y: part(y, 262144, 4)}},
			{"rope", kernels.RoPE{X: part(x, 4096, 256), Cos: part(wide, 4096, 128), Sin: part(wide, 4096, 128), Rows: 4096, Y: part(y, 4096, 256)}},
			{"max-pool", kernels.MaxPool{X: part(x, 1, 256, 256, 96), Y: part(y, 1, 128, 128, 96)}},
			{"upsample-add", kernels.UpsampleAdd{X: part(x, 1, 64, 64, 256), Top: part(wide, 1, 32, 32, 256), Y: part(y, 1, 64, 64, 256)}},
			{"resize-256-1024", kernels.Resize{X: part(x, 1, 256, 256), Y: part(y, 1, 1024, 1024)}},
			{"resize-256-1080p", kernels.Resize{X: part(x, 1, 256, 256), Y: part(y, 1, 1080, 1920)}},
			{"resize-1024-256-antialias", kernels.Resize{X: part(x, 1, 1024, 1024), Y: part(y, 1, 256, 256), Antialias: true}},
			{"mask-boxes-3", kernels.MaskBoxes{X: part(x, 3, 256, 256), H: 1024, W: 1024, Y: alloc(kernels.I32, 3, 4)}},
			{"count-above", kernels.CountAbove{X: part(x, 1, 65536), Thresholds: []float32{0.05, -0.05}, Y: alloc(kernels.I32, 1, 2)}},
			{"preprocess-1080p", kernels.Preprocess{X: alloc(kernels.U8, 1080, 1920, 3), Std: [3]float32{1, 1, 1}, Y: part(y, 1024, 1024, 3)}},
			{"preprocess-720p-256", kernels.Preprocess{X: alloc(kernels.U8, 720, 1280, 3), Std: [3]float32{1, 1, 1}, Y: part(y, 256, 256, 3)}},
			{"preprocess-540p", kernels.Preprocess{X: alloc(kernels.U8, 540, 960, 3), Std: [3]float32{1, 1, 1}, Y: part(y, 1024, 1024, 3)}},
		} {
			b.Run(fmt.Sprintf("%s/threads=%d", c.name, threads), func(b *testing.B) { move(b, d, rate, c.op) })
		}
		b.Run(fmt.Sprintf("copy/threads=%d", threads), func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(rate/1e9, "GB/s")
		})
	}
}

// BenchmarkDepthwise is the memory encoder's 7x7 convolution.
func BenchmarkDepthwise(b *testing.B) {
	onThreads(b, func(b *testing.B, d *Device, peak float64) {
		f := fixture{b, d}
		run(b, d, peak, kernels.DepthwiseConv{X: f.zeros(1, 64, 64, 256), W: f.zeros(7, 7, 256), Bias: f.zeros(256), Kernel: 7, Y: f.zeros(1, 64, 64, 256)})
	})
}

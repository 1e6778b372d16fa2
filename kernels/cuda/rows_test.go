package cuda

import (
	"fmt"
	"math"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/kerneltest"
)

// Sizes at which these kernels do something that the sizes of the conformance table do not ask of
// them.
func TestSizesOfOtherVariants(t *testing.T) {
	d := open(t, Float32)
	type maker = kerneltest.Maker
	norm := func(a kernels.Act, rows, c int) func(*maker) kernels.Op {
		return func(m *maker) kernels.Op {
			return kernels.LayerNorm{X: m.Scaled(3, rows, c), Gamma: m.F32(c), Beta: m.F32(c), Eps: 1e-6, Act: a, Y: m.Out(rows, c)}
		}
	}
	depthwise := func(kernel, b, h, w, c int) func(*maker) kernels.Op {
		return func(m *maker) kernels.Op {
			return kernels.DepthwiseConv{X: m.F32(b, h, w, c), W: m.F32(kernel, kernel, c), Bias: m.F32(c), Kernel: kernel, Y: m.Out(b, h, w, c)}
		}
	}
	for _, c := range []kerneltest.Case{
		{Name: "layer-norm/8 lanes, 2 vectors", Make: norm(kernels.GELU, 37, 64)},
		{Name: "layer-norm/16 lanes", Make: norm(kernels.None, 37, 192)},
		{Name: "layer-norm/32 lanes, 4 vectors", Make: norm(kernels.Sigmoid, 9, 512)},
		{Name: "layer-norm/32 lanes, 5 vectors", Make: norm(kernels.None, 9, 516)},
		{Name: "layer-norm/32 lanes, 18 vectors", Make: norm(kernels.None, 3, 2304)},
		{Name: "layer-norm/too wide for registers", Make: norm(kernels.None, 3, 2308)},
		{Name: "layer-norm/wide with an activation", Make: norm(kernels.ReLU, 3, 768)},
		{Name: "depthwise-conv/several tiles of pixels and channels", Make: depthwise(7, 2, 17, 11, 40)},
		{Name: "depthwise-conv/7x7, odd channels", Make: depthwise(7, 1, 9, 10, 33)},
		{Name: "depthwise-conv/5x5", Make: depthwise(5, 1, 6, 9, 8)},
		{Name: "depthwise-conv/kernel larger than the map", Make: depthwise(9, 1, 2, 3, 5)},
		{Name: "resize/antialiased, many source rows under a tile", Make: func(m *maker) kernels.Op {
			return kernels.Resize{X: m.F32(2, 300, 70), Y: m.Out(2, 19, 35), Antialias: true}
		}},
		{Name: "mask-boxes/several blocks of columns", Make: func(m *maker) kernels.Op {
			v := make([]float32, 3*9*40)
			for i := range v {
				v[i] = -1.3
			}
			v[3*40+1], v[7*40+38], v[2*9*40+5*40+20] = 9, 9, 9 // plane 1 is empty
			return kernels.MaskBoxes{X: m.Data(v, 3, 9, 40), H: 71, W: 1101, Y: m.OutOf(kernels.I32, 3, 4)}
		}},
		{Name: "count-above/more thresholds than a launch has", Make: func(m *maker) kernels.Op {
			return kernels.CountAbove{X: m.F32(3, 4100), Thresholds: []float32{0, 0.5, -0.5, 0.1, 0.9, -2, 2}, Y: m.OutOf(kernels.I32, 3, 7)}
		}},
		{Name: "rope/odd pairs, a table that repeats", Make: func(m *maker) kernels.Op {
			return kernels.RoPE{X: m.F32(23, 38), Cos: m.F32(5, 19), Sin: m.F32(5, 19), Rows: 20, Y: m.Out(23, 38)}
		}},
	} {
		if err := kerneltest.Check(d, c); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}

// Operands that do not begin at a multiple of 16 bytes are read one by one, with the same result
// but for the order of sums.
func TestAlignmentDoesNotMatter(t *testing.T) {
	d := open(t, Float32)
	for _, c := range []struct {
		name string
		make func(f func(shape ...int) *kernels.Tensor) (kernels.Op, *kernels.Tensor)
	}{
		{"add", func(f func(...int) *kernels.Tensor) (kernels.Op, *kernels.Tensor) {
			y := f(6, 64)
			return kernels.Add{A: f(6, 64), B: f(64), Alpha: 0.5, Y: y}, y
		}},
		{"copy", func(f func(...int) *kernels.Tensor) (kernels.Op, *kernels.Tensor) {
			y := f(333)
			return kernels.Cast{X: f(333), Y: y}, y
		}},
		{"layer-norm", func(f func(...int) *kernels.Tensor) (kernels.Op, *kernels.Tensor) {
			y := f(5, 96)
			return kernels.LayerNorm{X: f(5, 96), Gamma: f(96), Beta: f(96), Eps: 1e-6, Y: y}, y
		}},
		{"rope", func(f func(...int) *kernels.Tensor) (kernels.Op, *kernels.Tensor) {
			y := f(9, 32)
			return kernels.RoPE{X: f(9, 32), Cos: f(4, 16), Sin: f(4, 16), Rows: 8, Y: y}, y
		}},
		{"max-pool", func(f func(...int) *kernels.Tensor) (kernels.Op, *kernels.Tensor) {
			y := f(2, 3, 4, 8)
			return kernels.MaxPool{X: f(2, 6, 8, 8), Y: y}, y
		}},
		{"upsample-add", func(f func(...int) *kernels.Tensor) (kernels.Op, *kernels.Tensor) {
			y := f(2, 6, 8, 8)
			return kernels.UpsampleAdd{X: f(2, 6, 8, 8), Top: f(2, 3, 4, 8), Y: y}, y
		}},
		{"depthwise-conv", func(f func(...int) *kernels.Tensor) (kernels.Op, *kernels.Tensor) {
			y := f(1, 9, 10, 12)
			return kernels.DepthwiseConv{X: f(1, 9, 10, 12), W: f(7, 7, 12), Bias: f(12), Kernel: 7, Y: y}, y
		}},
		{"resize", func(f func(...int) *kernels.Tensor) (kernels.Op, *kernels.Tensor) {
			y := f(2, 33, 64)
			return kernels.Resize{X: f(2, 16, 16), Y: y}, y
		}},
	} {
		var results [2][]float32
		for shift := range results {
			state := uint32(1)
			var owned []*kernels.Tensor
			op, y := c.make(func(shape ...int) *kernels.Tensor {
				n := (&kernels.Tensor{Shape: shape}).Len()
				host := make([]float32, n+1)
				for i := range n {
					state = state*1664525 + 1013904223
					host[shift+i] = float32(int32(state)) / (1 << 31)
				}
				all, err := kernels.Write(d, kernels.F32, host, n+1)
				if err != nil {
					t.Fatal(err)
				}
				owned = append(owned, all)
				return all.Slice(shift, shift+n).Reshape(shape...)
			})
			err := d.Do(op)
			if err == nil {
				results[shift], err = kernels.Read[float32](d, y)
			}
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			for _, x := range owned {
				d.Free(x)
			}
		}
		for i, want := range results[0] {
			if got := results[1][i]; !(math.Abs(float64(got-want)) <= 1e-5) {
				t.Errorf("%s: element %d is %v, with aligned operands %v", c.name, i, got, want)
				break
			}
		}
	}
}

// A table is uploaded once, whatever else is done between.
func TestTablesAreKept(t *testing.T) {
	d := open(t, Float32)
	tables := func() string {
		for range 2 {
			for _, w := range []int{20, 33} {
				x, err := d.Alloc(kernels.U8, 20, w, 3)
				if err != nil {
					t.Fatal(err)
				}
				y, err := d.Alloc(kernels.F32, 16, 16, 3)
				if err != nil {
					t.Fatal(err)
				}
				if err := d.Do(kernels.Preprocess{X: x, Std: [3]float32{1, 1, 1}, Y: y}); err != nil {
					t.Error(err)
				}
				d.Free(x)
				d.Free(y)
			}
		}
		return fmt.Sprint(d.tables)
	}
	if first, then := tables(), tables(); first != then || len(d.tables) != 3 { // 20 to 16, 33 to 16, pixels
		t.Errorf("%d tables: first %s, then %s", len(d.tables), first, then)
	}
}

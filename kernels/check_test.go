package kernels_test

import (
	"strings"
	"testing"

	. "github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/null"
)

// Each line is one mistake in an op that is otherwise right, and the words that tell the user.
func TestCheckSaysWhatIsWrong(t *testing.T) {
	d := null.New()
	alloc := func(dt DType, shape ...int) *Tensor {
		x, err := d.Alloc(dt, shape...)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	f := func(shape ...int) *Tensor { return alloc(F32, shape...) }
	pack := func(n, k int) *Tensor {
		p, err := d.Pack(f(n, k))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	x, y := f(4, 6), f(4, 6)
	short := f(4, 6)
	short.Buf = f(2).Buf
	nowhere := &Tensor{DType: F32, Shape: []int{4, 6}}
	flat := f(48)
	img, half := f(1, 4, 6, 2), f(1, 2, 3, 2)

	for _, c := range []struct {
		op   Op
		want string
	}{
		{Linear{X: f(5, 147), W: pack(96, 64), Y: f(5, 96)}, "linear: W is packed f32[96,64], want packed f32[n,147]"},
		{Linear{X: f(5, 147), W: f(96, 147), Y: f(5, 96)}, "linear: W is f32[96,147], want packed f32[n,147]"},
		{Linear{X: f(5, 147), W: pack(96, 147), Bias: f(95), Y: f(5, 96)}, "linear: Bias is f32[95], want f32[96]"},
		{Linear{X: f(5, 147), W: pack(96, 147)}, "linear: Y is missing"},
		{LayerNorm{X: x, Gamma: f(6), Beta: f(6), Y: f(6, 4)}, "layer-norm: Y is f32[6,4], want f32 or 16-bit[...,6]"},
		{LayerNorm{X: x, Gamma: f(4), Beta: f(6), Y: y}, "layer-norm: Gamma is f32[4], want f32[6]"},
		{LayerNorm{X: x, Gamma: f(6), Y: y}, "layer-norm: Beta is missing, want f32[6]"},
		{LayerNorm{X: x, Gamma: f(6), Beta: f(6), Y: y, Act: 9}, "layer-norm: no such activation: 9"},
		{LayerNorm{X: x, Gamma: f(6), Beta: f(6), Y: y, Eps: -1}, "layer-norm: Eps is -1"},
		{LayerNorm{X: flat.Slice(0, 24).Reshape(4, 6), Gamma: f(6), Beta: f(6), Y: flat.Slice(6, 30).Reshape(4, 6)}, "layer-norm: Y overlaps a part of X"},
		{Add{A: x, B: f(5), Y: y}, "add: B is f32[5], want a length that divides the 24 elements of Y"},
		{Add{A: x, Y: y}, "add: B is missing"},
		{Add{A: alloc(BF16, 4, 6), B: x, Y: y}, "add: A is bf16[4,6], want f32"},
		{Add{A: nowhere, B: x, Y: y}, "add: A has no memory"},
		{Add{A: short, B: x, Y: y}, "add: A is f32[4,6] from element 0, but its buffer has 8 bytes"},
		{Activate{X: x, Y: f(23)}, "activate: Y is f32[23], want f32 of 24 elements"},
		{Cast{X: x}, "cast: Y is missing"},
		{Cast{X: x, Y: alloc(U8, 24)}, "cast: no cast from f32 to u8"},
		{Cast{X: alloc(F16, 24), Y: alloc(BF16, 24)}, "cast: no cast from f16 to bf16"},
		{Cast{X: x, Y: alloc(BF16, 23)}, "cast: Y is bf16[23], want bf16 of 24 elements"},
		{Fill{}, "fill: Y is missing"},
		{Fill{Y: f(0)}, "fill: Y is f32[0]"},
		{MaxPool{X: f(1, 5, 6, 2), Y: half}, "max-pool: X is f32[1,5,6,2], want even height and width"},
		{MaxPool{X: img, Y: f(1, 2, 3, 3)}, "max-pool: Y is f32[1,2,3,3], want f32[1,2,3,2]"},
		{UpsampleAdd{X: img, Top: f(1, 2, 2, 2), Y: img}, "upsample-add: Top is f32[1,2,2,2], want f32[1,2,3,2]"},
		{Resize{X: f(2, 3, 4), Y: f(1, 6, 8)}, "resize: Y is f32[1,6,8], want f32[2,n,n]"},
		{Resize{X: f(3, 4), Y: f(6, 8)}, "resize: X is f32[3,4], want f32[n,n,n]"},
		{Preprocess{X: alloc(U8, 9, 9, 4), Std: [3]float32{1, 1, 1}, Y: f(8, 8, 3)}, "preprocess: X is u8[9,9,4], want u8[n,n,3]"},
		{Preprocess{X: alloc(U8, 9, 9, 3), Std: [3]float32{1, 1, 1}, Y: f(8, 7, 3)}, "preprocess: Y is f32[8,7,3], want f32[n,8,3]"},
		{Preprocess{X: alloc(U8, 9, 9, 3), Y: f(8, 8, 3)}, "preprocess: Std is [0 0 0], want no zero"},
		{MaskBoxes{X: f(2, 8, 8), H: 0, W: 5, Y: alloc(I32, 2, 4)}, "mask-boxes: H x W is 0 x 5"},
		{MaskBoxes{X: f(2, 8, 8), H: 9, W: 5, Y: alloc(I32, 1, 4)}, "mask-boxes: Y is i32[1,4], want i32[2,4]"},
		{CountAbove{X: x, Y: alloc(I32, 4, 1)}, "count-above: no Thresholds"},
		{CountAbove{X: x, Thresholds: []float32{0, 1}, Y: alloc(I32, 4, 1)}, "count-above: Y is i32[4,1], want i32[4,2]"},
	} {
		err := c.op.Check()
		if err == nil {
			t.Errorf("%T: no error, want %q", c.op, c.want)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// An op without any operand is a mistake, not a crash.
func TestEmptyOpsAreRefused(t *testing.T) {
	for _, op := range []Op{Linear{}, MatMulNT{}, Conv2D{}, DepthwiseConv{}, UpConv{}, Attention{}, WindowAttention{}, RotaryAttention{}, RoPE{}, LayerNorm{}, Add{},
		Activate{}, Cast{}, Fill{}, MaxPool{}, UpsampleAdd{}, Resize{}, Preprocess{}, MaskBoxes{}, CountAbove{}} {
		if err := op.Check(); err == nil || !strings.HasPrefix(err.Error(), op.Name()+": ") {
			t.Errorf("%T: error is %v, want one that begins with %q", op, err, op.Name())
		}
	}
}

func TestCostCountsWorkAndBytes(t *testing.T) {
	d := null.New()
	f := func(shape ...int) *Tensor {
		x, _ := d.Alloc(F32, shape...)
		return x
	}
	w, _ := d.Pack(f(30, 20))
	for _, c := range []struct {
		op   Op
		want Cost
	}{
		{Linear{X: f(10, 20), W: w, Bias: f(30), Y: f(10, 30)}, Cost{2 * 10 * 20 * 30, 4 * (200 + 600 + 30 + 300)}},
		{Add{A: f(10), B: f(5), Y: f(10)}, Cost{20, 100}},
		{Fill{Y: f(10)}, Cost{0, 40}},
		{Resize{X: f(1, 2, 2), Y: f(1, 4, 4)}, Cost{6 * 16, 80}},
		{Resize{X: f(1, 8, 8), Y: f(1, 2, 2), Antialias: true}, Cost{2 * (8 + 8) * 4, 4 * 68}},
	} {
		if got := c.op.Cost(); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.op.Name(), got, c.want)
		}
	}
}

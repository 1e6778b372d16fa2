package kerneltest

import (
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// real is the arithmetic of an evaluation. Each op is written once, plainly, as a generic function: in float64 it
// is the truth, in float32 it is the naive evaluation whose error sets the tolerance.
type real interface{ float32 | float64 }

// content gives the elements of an operand, packed weights in row-major order; nil for nil.
type content[F real] func(*kernels.Tensor) []F

// result returns the tensor that an op writes.
func result(op kernels.Op) *kernels.Tensor {
	switch o := op.(type) {
	case kernels.Linear:
		return o.Y
	case kernels.MatMulNT:
		return o.Y
	case kernels.Conv2D:
		return o.Y
	case kernels.DepthwiseConv:
		return o.Y
	case kernels.UpConv:
		return o.Y
	case kernels.Attention:
		return o.Y
	case kernels.WindowAttention:
		return o.Y
	case kernels.RotaryAttention:
		return o.Y
	case kernels.RoPE:
		return o.Y
	case kernels.LayerNorm:
		return o.Y
	case kernels.Add:
		return o.Y
	case kernels.Activate:
		return o.Y
	case kernels.Cast:
		return o.Y
	case kernels.Fill:
		return o.Y
	case kernels.MaxPool:
		return o.Y
	case kernels.UpsampleAdd:
		return o.Y
	case kernels.Resize:
		return o.Y
	case kernels.Preprocess:
		return o.Y
	case kernels.MaskBoxes:
		return o.Y
	case kernels.CountAbove:
		return o.Y
	}
	panic(fmt.Sprintf("kerneltest: no reference for %T", op))
}

// evaluate returns the elements of the op's result.
func evaluate[F real](op kernels.Op, at content[F]) []F {
	switch o := op.(type) {
	case kernels.Linear:
		return linear(o, at)
	case kernels.MatMulNT:
		return matMulNT(o, at)
	case kernels.Conv2D:
		return conv2D(o, at)
	case kernels.DepthwiseConv:
		return depthwiseConv(o, at)
	case kernels.UpConv:
		return upConv(o, at)
	case kernels.Attention:
		return attention(o, at)
	case kernels.WindowAttention:
		return windowAttention(o, at)
	case kernels.RotaryAttention:
		return rotaryAttention(o, at)
	case kernels.RoPE:
		return rope(o, at)
	case kernels.LayerNorm:
		return layerNorm(o, at)
	case kernels.Add:
		return add(o, at)
	case kernels.Activate:
		return activate(o, at)
	case kernels.Cast:
		return cast(o, at)
	case kernels.Fill:
		return fill[F](o)
	case kernels.MaxPool:
		return maxPool(o, at)
	case kernels.UpsampleAdd:
		return upsampleAdd(o, at)
	case kernels.Resize:
		return resize(o, at)
	case kernels.Preprocess:
		return preprocess(o, at)
	case kernels.MaskBoxes:
		return maskBoxes(o, at)
	case kernels.CountAbove:
		return countAbove(o, at)
	}
	panic(fmt.Sprintf("kerneltest: no reference for %T", op))
}

// exact says whether every device must give the same bits: ops that copy, choose, count or round to integers.
func exact(op kernels.Op) bool {
	switch op.(type) {
	case kernels.Cast, kernels.Fill, kernels.MaxPool, kernels.Preprocess, kernels.MaskBoxes, kernels.CountAbove:
		return true
	}
	return false
}

// act applies an activation. The elementary functions are rounded to F, as a good library's are.
func act[F real](a kernels.Act, x F) F {
	switch a {
	case kernels.ReLU:
		return max(x, 0)
	case kernels.GELU:
		return x / 2 * (1 + F(math.Erf(float64(x*F(math.Sqrt2/2)))))
	case kernels.Sigmoid:
		return 1 / (1 + F(math.Exp(float64(-x))))
	case kernels.Step:
		if x > 0 {
			return 1
		}
		return 0
	}
	return x
}

// epilogue finishes products: y = act(y + bias + residual), bias over the last axis, a short residual repeated.
func epilogue[F real](y, bias, res []F, a kernels.Act) []F {
	for i := range y {
		if bias != nil {
			y[i] += bias[i%len(bias)]
		}
		if res != nil {
			y[i] += res[i%len(res)]
		}
		y[i] = act(a, y[i])
	}
	return y
}

func dot[F real](a, b []F) F {
	var s F
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

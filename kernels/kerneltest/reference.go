package kerneltest

import (
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// real is the arithmetic of an evaluation. Each op is written once, plainly, as a generic function:
// in float64 it is the truth, in float32 it is the naive evaluation whose error sets the tolerance.
type real interface{ float32 | float64 }

// content gives the elements of an operand, packed weights in row-major order; nil for nil.
type content[F real] func(*kernels.Tensor) []F

// What a device must match of a reference: every bit, for ops that copy, choose, count or round to
// integers, or the value within a tolerance.
const exact, within = true, false

// evaluate returns the elements of the op's result, and whether they must be matched exactly.
func evaluate[F real](op kernels.Op, at content[F]) (y []F, exactly bool) {
	for _, family := range []func(kernels.Op, content[F]) ([]F, bool){
		evaluateProduct[F], evaluateAttention[F], evaluateRows[F], evaluateMaps[F],
	} {
		if y, exactly = family(op, at); y != nil {
			return y, exactly
		}
	}
	panic(fmt.Sprintf("kerneltest: no reference for %T", op))
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

// epilogue finishes products: y = act(y + bias + residual), bias over the last axis, a short
// residual repeated.
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

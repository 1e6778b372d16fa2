package kerneltest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// A device may multiply in 16 bits: products and attention then round their operands, a bfloat16 to
// 8 bits. One such element is off by at most 1/512 of itself, a sum of many products by about as
// much of its size, and so is what a softmax makes of scores that are not large. Their result as a
// whole is held to it, since a single element can be a difference of large ones. All other ops are
// in float32 and are tested as by Run.

// rounding is how far a rounded result may be off, as a part of the wanted one: the quotient of
// their norms.
const rounding = 1e-2

// beyondRounding are cases whose results are further off with 16-bit operands, with their limits.
var beyondRounding = map[string]float64{
	"attention/huge scores":                     math.MaxFloat64, // scores of 1000 are off by more than 1: only numbers are asked for
	"rotary-attention/huge scores":              math.MaxFloat64, // as of attention
	"attention/scores that rise along the keys": 0.1,             // scores of 80 are off by a tenth, and so are weights
	"linear/step":                               0.2,             // a sum near 0 becomes 0 or 1 by its sign, a few of some hundred
	"conv2d/step":                               0.2,             // as of linear
}

// RunRounded is Run for a device that multiplies in 16 bits. Product operands are also given in 16
// bits.
func RunRounded(t *testing.T, dev kernels.Device) {
	run(t, dev, CheckRounded)
	dt := kernels.OperandType(dev)
	if dt == kernels.F32 {
		return
	}
	for _, c := range Cases() {
		c, ok := StoredHalf(c, dt, ^uint(0))
		if !ok {
			continue
		}
		t.Run(c.Name+" in "+dt.String(), func(t *testing.T) {
			if err := CheckRounded(dev, c); err != nil {
				t.Error(err)
			}
		})
	}
}

// CheckRounded is Check for such a device.
func CheckRounded(dev kernels.Device, c Case) error {
	return checkBy(dev, c, func(op kernels.Op, got []float64, m *Maker) error {
		want, exactly := evaluate(op, contentOf[float64](m))
		switch {
		case exactly:
			return same(got, want)
		case !multiplies(op) && !kernels.HasHalf(op):
			naive, _ := evaluate(op, contentOf[float32](m))
			return close(got, want, naive, 1)
		}
		limit, ok := beyondRounding[c.Name]
		if !ok {
			limit = rounding
		}
		return alike(got, want, limit)
	})
}

// multiplies reports whether an op may round its operands.
func multiplies(op kernels.Op) bool {
	return slices.ContainsFunc(op.Operands(), func(o kernels.Operand) bool { return o.Role&kernels.Multiplied != 0 })
}

// alike wants numbers, and the norm of the difference to be at most a part of the norm of what is
// wanted.
func alike(got, want []float64, limit float64) error {
	var off, all float64
	for i, w := range want {
		if math.IsNaN(got[i]) || math.IsInf(got[i], 0) {
			return fmt.Errorf("element %d is %v, want %v", i, got[i], w)
		}
		off += (got[i] - w) * (got[i] - w)
		all += w * w
	}
	if e := math.Sqrt(off / all); !(e <= limit) && off > 0 {
		return fmt.Errorf("off by %.3g of the whole, allowed %.3g", e, limit)
	}
	return nil
}

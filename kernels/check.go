package kernels

import (
	"fmt"
	"slices"
	"strconv"
)

// Every op checks itself before a device touches memory. A check reads as a list of requirements:
//
//	want := check("linear")
//	want.rows("X", o.X, operandTypes, some)
//
// Each method of the checker is one requirement; the first that fails is the error, which names the
// op, the operand, what it is and what it should be:
//
//	linear: W is f32[96,64], want packed f32[96,147]
//
// Arguments are boxed only on failure: Check is on the launch path.
//
// Sizes come from the operands through dim, which is 0 for an operand that is missing, so a check
// needs no guards: that the operand exists is required first, and that error wins.

// some stands for any length of an axis, at least 1.
const some = -1

// operandTypes stands for the types that a Product operand may have: f32, f16 or bf16.
const operandTypes DType = 0xff

// is reports whether a type is the wanted one.
func (d DType) is(want DType) bool {
	return d == want || want == operandTypes && (d == F32 || d.half())
}

// half reports whether a type is a floating point one of 16 bits.
func (d DType) half() bool { return d == F16 || d == BF16 }

// checker keeps the first requirement on the operands of one op that is not met.
type checker struct {
	op  string
	err error
}

func check(op string) *checker { return &checker{op: op} }

// dim returns the length of axis i (negative: from the last), 0 where there is no tensor or no such
// axis.
func dim(t *Tensor, i int) int {
	if t == nil {
		return 0
	}
	if i < 0 {
		i += len(t.Shape)
	}
	if i < 0 || i >= len(t.Shape) {
		return 0
	}
	return t.Shape[i]
}

// length returns the number of elements, 0 where there is no tensor.
func length(t *Tensor) int {
	if t == nil {
		return 0
	}
	return t.Len()
}

// that requires ok, and otherwise fails in the words given.
func (c *checker) that(ok bool, format string, args ...any) {
	if !ok {
		c.fail(format, args...)
	}
}

// fail records an error in the words given, if nothing failed before.
func (c *checker) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(c.op+": "+format, args...)
	}
}

// shape requires a row-major tensor of exactly these axes; some is any length.
func (c *checker) shape(operand string, t *Tensor, dt DType, dims ...int) {
	ok := t != nil && t.DType.is(dt) && t.Layout == RowMajor && len(t.Shape) == len(dims)
	for i := 0; ok && i < len(dims); i++ {
		ok = t.Shape[i] >= 1 && (dims[i] == some || t.Shape[i] == dims[i])
	}
	if !ok {
		c.fail("%s is %v, want %v%s", operand, describe(t), dt, axes(slices.Clone(dims)))
	}
	c.inside(operand, t)
}

// rows requires a row-major tensor [..., width]; some is any width.
func (c *checker) rows(operand string, t *Tensor, dt DType, width int) {
	ok := t != nil && t.DType.is(dt) && t.Layout == RowMajor && len(t.Shape) >= 1 && t.Len() >= 1 &&
		(width == some || t.Dim(-1) == width)
	if !ok {
		c.fail("%s is %v, want %v[...,%s]", operand, describe(t), dt, axis(width))
	}
	c.inside(operand, t)
}

// size requires a row-major tensor of n elements under any shape; some is any number.
func (c *checker) size(operand string, t *Tensor, dt DType, n int) {
	ok := t != nil && t.DType.is(dt) && t.Layout == RowMajor && t.Len() >= 1 && (n == some || t.Len() == n)
	if !ok {
		c.fail("%s is %v, want %v of %s elements", operand, describe(t), dt, axis(n))
	}
	c.inside(operand, t)
}

// packed requires weights [n, k] in the device's own order.
func (c *checker) packed(operand string, t *Tensor, n, k int) {
	ok := t != nil && t.DType == F32 && t.Layout == Packed && len(t.Shape) == 2 &&
		t.Shape[0] >= 1 && t.Shape[1] >= 1 &&
		(n == some || t.Shape[0] == n) && (k == some || t.Shape[1] == k)
	if !ok {
		c.fail("%s is %v, want packed f32%s", operand, describe(t), axes([]int{n, k}))
	} else if t.Buf == nil {
		c.fail("%s has no memory", operand)
	}
}

// residual requires nil, or an f32 tensor whose length divides that of y; it is y itself or does
// not overlap it.
func (c *checker) residual(operand string, res, y *Tensor) {
	if res == nil {
		return
	}
	ok := res.DType == F32 && res.Layout == RowMajor && res.Len() >= 1 && length(y)%res.Len() == 0
	if !ok {
		c.fail("%s is %v, want an f32 length that divides the %d elements of Y", operand, describe(res), length(y))
	}
	c.inside(operand, res)
	c.inPlace(operand, res, y)
}

// bias requires nil or [n].
func (c *checker) bias(operand string, b *Tensor, n int) {
	if b != nil {
		c.shape(operand, b, F32, n)
	}
}

// apart requires the result not to share memory with an operand.
func (c *checker) apart(operand string, x, y *Tensor) {
	if overlap(x, y) {
		c.fail("Y overlaps %s", operand)
	}
}

// inPlace requires the result to be the operand, or not to share memory with it.
func (c *checker) inPlace(operand string, x, y *Tensor) {
	same := x != nil && y != nil && x.Off == y.Off && x.Len() == y.Len() && x.DType == y.DType
	if !same && overlap(x, y) {
		c.fail("Y overlaps a part of %s", operand)
	}
}

// vectors requires rows of 16-bit elements to be pieces that are whole vectors of 16 bytes.
func (c *checker) vectors(operand string, t *Tensor, piece int) {
	if t != nil && t.DType.half() && piece%8 != 0 {
		c.fail("%s is %v, want a multiple of 8 in a row, and in a head, of 16-bit elements", operand, describe(t))
	}
}

// act requires a known activation.
func (c *checker) act(a Act) {
	if a > Step {
		c.fail("no such activation: %d", a)
	}
}

// inside requires the elements to lie inside the buffer.
func (c *checker) inside(operand string, t *Tensor) {
	if c.err != nil || t == nil {
		return
	}
	if t.Buf == nil {
		c.fail("%s has no memory", operand)
	} else if t.Off < 0 || (t.Off+t.Len())*t.DType.Size() > t.Buf.Bytes() {
		c.fail("%s is %v from element %d, but its buffer has %d bytes", operand, describe(t), t.Off, t.Buf.Bytes())
	}
}

// overlap reports whether two tensors share bytes.
func overlap(a, b *Tensor) bool {
	if a == nil || b == nil || a.Buf == nil || a.Buf != b.Buf {
		return false
	}
	aLo, bLo := a.Off*a.DType.Size(), b.Off*b.DType.Size()
	return aLo < bLo+b.Bytes() && bLo < aLo+a.Bytes()
}

// described is a tensor for messages.
type described Tensor

func describe(t *Tensor) *described { return (*described)(t) }

func (t *described) String() string {
	switch {
	case t == nil:
		return "missing"
	case t.Layout == Packed:
		return "packed " + t.DType.String() + axes(t.Shape).String()
	}
	return t.DType.String() + axes(t.Shape).String()
}

// axes is a shape for messages, axis one length of it.
type axes []int

func (a axes) String() string {
	s := "["
	for i, d := range a {
		if i > 0 {
			s += ","
		}
		s += axis(d).String()
	}
	return s + "]"
}

type axis int

func (a axis) String() string {
	if a == some {
		return "n"
	}
	return strconv.Itoa(int(a))
}

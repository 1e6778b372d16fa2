package kernels

import (
	"fmt"
	"slices"
	"strconv"
)

// Every op checks itself before a device touches memory. A check reads as a list of wishes; the first one that
// is not met is the error, and it names the op, the operand, what it is and what it should be:
//
//	linear: W is f32[96,64], want packed f32[96,147]
//
// What a message would be made of is boxed only where there is one: a GPU waits for the next op while this one is checked.
//
// Sizes come from the operands through dim, which is 0 for an operand that is missing, so a check needs no
// guards: the wish that the operand exists comes first and its error wins.

// some stands for any length of an axis, at least 1.
const some = -1

// factors stands for the types that what is multiplied may have: f32, or what a Narrower keeps such things in.
const factors DType = 0xff

// is says whether a type is the wanted one.
func (d DType) is(want DType) bool { return d == want || want == factors && (d == F32 || d.narrow()) }

// narrow says whether a type is a floating point one of 16 bits.
func (d DType) narrow() bool { return d == F16 || d == BF16 }

// wishes collects the first complaint about the operands of one op.
type wishes struct {
	op  string
	err error
}

func wish(op string) *wishes { return &wishes{op: op} }

// dim returns the length of axis i (negative: from the last), 0 where there is no tensor or no such axis.
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

// that complains, in the words given, unless ok.
func (w *wishes) that(ok bool, format string, args ...any) {
	if !ok {
		w.fail(format, args...)
	}
}

// fail complains, in the words given, if nothing did before.
func (w *wishes) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(w.op+": "+format, args...)
	}
}

// shape wants a row-major tensor of exactly these axes; some is any length.
func (w *wishes) shape(operand string, t *Tensor, dt DType, dims ...int) {
	ok := t != nil && t.DType.is(dt) && t.Layout == RowMajor && len(t.Shape) == len(dims)
	for i := 0; ok && i < len(dims); i++ {
		ok = t.Shape[i] >= 1 && (dims[i] == some || t.Shape[i] == dims[i])
	}
	if !ok {
		w.fail("%s is %v, want %v%s", operand, describe(t), dt, axes(slices.Clone(dims)))
	}
	w.inside(operand, t)
}

// rows wants a row-major tensor [..., width]; some is any width.
func (w *wishes) rows(operand string, t *Tensor, dt DType, width int) {
	ok := t != nil && t.DType.is(dt) && t.Layout == RowMajor && len(t.Shape) >= 1 && t.Len() >= 1 &&
		(width == some || t.Dim(-1) == width)
	if !ok {
		w.fail("%s is %v, want %v[...,%s]", operand, describe(t), dt, axis(width))
	}
	w.inside(operand, t)
}

// size wants a row-major tensor of n elements under any shape; some is any number.
func (w *wishes) size(operand string, t *Tensor, dt DType, n int) {
	ok := t != nil && t.DType.is(dt) && t.Layout == RowMajor && t.Len() >= 1 && (n == some || t.Len() == n)
	if !ok {
		w.fail("%s is %v, want %v of %s elements", operand, describe(t), dt, axis(n))
	}
	w.inside(operand, t)
}

// packed wants weights [n, k] in the device's own order.
func (w *wishes) packed(operand string, t *Tensor, n, k int) {
	ok := t != nil && t.DType == F32 && t.Layout == Packed && len(t.Shape) == 2 &&
		t.Shape[0] >= 1 && t.Shape[1] >= 1 &&
		(n == some || t.Shape[0] == n) && (k == some || t.Shape[1] == k)
	if !ok {
		w.fail("%s is %v, want packed f32%s", operand, describe(t), axes([]int{n, k}))
	} else if t.Buf == nil {
		w.fail("%s has no memory", operand)
	}
}

// residual wants nil, or an f32 tensor whose length divides that of y; it is y itself or lies apart from it.
func (w *wishes) residual(operand string, res, y *Tensor) {
	if res == nil {
		return
	}
	ok := res.DType == F32 && res.Layout == RowMajor && res.Len() >= 1 && length(y)%res.Len() == 0
	if !ok {
		w.fail("%s is %v, want an f32 length that divides the %d elements of Y", operand, describe(res), length(y))
	}
	w.inside(operand, res)
	w.inPlace(operand, res, y)
}

// apart wants the result not to share memory with an operand.
func (w *wishes) apart(operand string, x, y *Tensor) {
	if overlap(x, y) {
		w.fail("Y overlaps %s", operand)
	}
}

// inPlace wants the result to be the operand, or not to share memory with it.
func (w *wishes) inPlace(operand string, x, y *Tensor) {
	same := x != nil && y != nil && x.Off == y.Off && x.Len() == y.Len() && x.DType == y.DType
	if !same && overlap(x, y) {
		w.fail("Y overlaps a part of %s", operand)
	}
}

// vectors wants rows of 16-bit elements to be cut into pieces that are whole vectors of 16 bytes.
func (w *wishes) vectors(operand string, t *Tensor, piece int) {
	if t != nil && t.DType.narrow() && piece%8 != 0 {
		w.fail("%s is %v, want a multiple of 8 in a row, and in a head, of 16-bit elements", operand, describe(t))
	}
}

// act wants a known activation.
func (w *wishes) act(a Act) {
	if a > Step {
		w.fail("no such activation: %d", a)
	}
}

// inside wants the elements to lie inside the buffer.
func (w *wishes) inside(operand string, t *Tensor) {
	if w.err != nil || t == nil {
		return
	}
	if t.Buf == nil {
		w.fail("%s has no memory", operand)
	} else if t.Off < 0 || (t.Off+t.Len())*t.DType.Size() > t.Buf.Bytes() {
		w.fail("%s is %v from element %d, but its buffer has %d bytes", operand, describe(t), t.Off, t.Buf.Bytes())
	}
}

// overlap says whether two tensors share bytes.
func overlap(a, b *Tensor) bool {
	if a == nil || b == nil || a.Buf == nil || a.Buf != b.Buf {
		return false
	}
	aLo, bLo := a.Off*a.DType.Size(), b.Off*b.DType.Size()
	return aLo < bLo+b.Bytes() && bLo < aLo+a.Bytes()
}

// What messages are made of is put into words only when there is a message: a check is part of every op.

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

// bytesOf sums the bytes of the operands that are there, each counted once.
func bytesOf(ts ...*Tensor) float64 {
	var n float64
	for _, t := range ts {
		if t != nil {
			n += float64(t.Bytes())
		}
	}
	return n
}

// Package kernels is the arithmetic of tachi: tensors, the operations on them, and the devices that
// carry those out.
//
// A Tensor is a shape over device memory. An Op is plain data that names its operands and can check
// itself. A Device allocates tensors and does ops. A Scope owns the temporaries of one computation
// and keeps its first error, so that a forward pass reads as arithmetic. Activations are row-major
// with channels last: a map is [B, H, W, C] and, read as tokens, [B, H*W, C], without a copy
// between the two readings.
package kernels

import (
	"fmt"
	"slices"
)

// DType is the storage type of a tensor's elements.
type DType uint8

const (
	F32 DType = iota
	F16
	BF16
	U8
	I32
)

// Size returns the bytes of one element.
func (d DType) Size() int {
	switch d {
	case F32, I32:
		return 4
	case F16, BF16:
		return 2
	case U8:
		return 1
	}
	panic(fmt.Sprintf("kernels: no such dtype %d", d))
}

func (d DType) String() string {
	if d == operandTypes {
		return "f32 or 16-bit"
	}
	if names := [...]string{"f32", "f16", "bf16", "u8", "i32"}; int(d) < len(names) {
		return names[d]
	}
	return fmt.Sprintf("dtype(%d)", d)
}

// Layout is how the elements lie in memory.
type Layout uint8

const (
	RowMajor Layout = iota // dense, last axis fastest
	Packed                 // weights in the private order of the device that packed them; Shape stays logical
)

// Buffer is one allocation of a device. Only that device knows what is inside.
type Buffer interface {
	Bytes() int // size of the allocation
}

// Tensor is a shape over a part of a device buffer. Views share the buffer; freeing a view frees
// nothing.
type Tensor struct {
	DType  DType
	Layout Layout
	Shape  []int
	Buf    Buffer
	Off    int  // first element, counted from the start of Buf
	View   bool // shares another tensor's buffer
}

// Len returns the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Bytes returns the size of the elements, which for a view is less than that of the buffer.
func (t *Tensor) Bytes() int { return t.Len() * t.DType.Size() }

// Dim returns the length of axis i; negative i counts from the last.
func (t *Tensor) Dim(i int) int {
	if i < 0 {
		i += len(t.Shape)
	}
	return t.Shape[i]
}

// Rows returns the number of rows when the tensor is read as [rows, last axis].
func (t *Tensor) Rows() int {
	if len(t.Shape) == 0 || t.Dim(-1) == 0 {
		return 0
	}
	return t.Len() / t.Dim(-1)
}

// Reshape returns a view of the same elements under another shape of the same length.
func (t *Tensor) Reshape(shape ...int) *Tensor {
	v := *t
	v.Shape, v.View = slices.Clone(shape), true
	if t.Layout != RowMajor || v.Len() != t.Len() {
		panic(fmt.Sprintf("kernels: reshape %v to %v", t, shape))
	}
	return &v
}

// Slice returns a view of elements lo to hi of the first axis.
func (t *Tensor) Slice(lo, hi int) *Tensor {
	if t.Layout != RowMajor || lo < 0 || hi < lo || hi > t.Shape[0] {
		panic(fmt.Sprintf("kernels: slice %v at [%d:%d]", t, lo, hi))
	}
	v := *t
	v.Shape, v.View = slices.Clone(t.Shape), true
	v.Shape[0] = hi - lo
	if t.Shape[0] > 0 {
		v.Off += lo * (t.Len() / t.Shape[0])
	}
	return &v
}

// Index returns a view of element i of the first axis, with that axis removed.
func (t *Tensor) Index(i int) *Tensor {
	v := t.Slice(i, i+1)
	v.Shape = v.Shape[1:]
	return v
}

func (t *Tensor) String() string {
	if t == nil {
		return "nil"
	}
	return fmt.Sprintf("%v%v", t.DType, t.Shape)
}

package kernels

import (
	"fmt"
	"unsafe"
)

// Device allocates tensors and does ops on them. All methods may be called from several goroutines
// at once. An op it cannot do is an error, never a silent detour.
type Device interface {
	Info() Info

	// Alloc returns a row-major tensor with undefined content.
	Alloc(dt DType, shape ...int) (*Tensor, error)
	// Free returns the memory of a tensor from Alloc or Pack. Freeing nil or a view does nothing.
	Free(*Tensor)

	// Upload copies host bytes, row-major and little-endian, into dst; the lengths must agree.
	Upload(dst *Tensor, src []byte) error
	// Download copies the elements of src to the host, after all ops that write them.
	Download(dst []byte, src *Tensor) error

	// Pack returns the weights [N, K] in the order that Linear, Conv2D and UpConv want on this
	// device. w stays valid.
	Pack(w *Tensor) (*Tensor, error)

	// Do checks the op and carries it out, or queues it in order with the ops before it.
	Do(Op) error
	// Sync waits for everything queued.
	Sync() error
	// Close frees what the device holds for itself. Tensors still allocated are reported as an
	// error.
	Close() error
}

// The interfaces below are capabilities that a device may have besides. Find asks for one.

// Sizer is implemented by devices that need memory of their own, so that plans can count it.
type Sizer interface {
	PackedBytes(n, k int) int // of weights [n, k] from Pack
	ScratchBytes(op Op) int   // kept by the device for an op, beside its operands
}

// Borrower is implemented by devices that need memory for an op only while it is carried out. A
// Scope takes it from where its temporaries are.
type Borrower interface {
	BorrowedBytes(op Op) int
}

// Batcher is implemented by devices that take several ops at once for less than one by one.
type Batcher interface {
	Borrower
	Batch() Batch
}

// Batch is ops that are recorded and not begun. They may use memory that was freed after they were
// recorded, as long as it is not given back to the device.
type Batch interface {
	// Do records an op that has been checked, with the memory that it borrows, nil where that is
	// none.
	Do(op Op, scratch *Tensor) error
	// Flush queues what was recorded, in order.
	Flush() error
}

// HalfPrecision is implemented by devices that multiply in f16 or bf16 and prefer to store Product
// operands in that type.
type HalfPrecision interface {
	OperandType() DType // F16 or BF16, or F32 where it is switched off
}

// OperandType returns the type in which a device prefers to store Product operands.
func OperandType(d Device) DType {
	if h, ok := Find[HalfPrecision](d); ok {
		return h.OperandType()
	}
	return F32
}

// Find returns the first that is a T of a device, the device that it wraps, and so on. A device
// that wraps another says so with a method Unwrap; one without it hides the capabilities of the
// other.
func Find[T any](d Device) (t T, ok bool) {
	for {
		if t, ok = d.(T); ok {
			return t, true
		}
		outer, wraps := d.(interface{ Unwrap() Device })
		if !wraps {
			return t, false
		}
		d = outer.Unwrap()
	}
}

// Info describes a device for logs, plans and benchmarks.
type Info struct {
	Name    string `json:"name"`    // "cpu", "cuda:0", "null"
	Model   string `json:"model"`   // marketing name of the hardware
	ISA     string `json:"isa"`     // instruction set in use: "avx512", "avx2", "plain"
	Threads int    `json:"threads"` // workers, where that means something
}

// UnsupportedError says that a device has no kernel for an op.
type UnsupportedError struct {
	Device string
	Op     string
}

func (e *UnsupportedError) Error() string { return fmt.Sprintf("%s: no kernel for %s", e.Device, e.Op) }

// OutOfMemoryError says that a device has no room for an allocation.
type OutOfMemoryError struct {
	Device      string
	Asked, Live int // bytes
}

func (e *OutOfMemoryError) Error() string {
	return fmt.Sprintf("%s: out of memory: %d bytes asked, %d in use", e.Device, e.Asked, e.Live)
}

// Elem is an element type that crosses the host boundary.
type Elem interface {
	~float32 | ~uint16 | ~uint8 | ~int32
}

// HostBytes views a slice as bytes, without a copy.
func HostBytes[T Elem](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0])))
}

// Read returns the elements of a tensor on the host.
func Read[T Elem](d Device, t *Tensor) ([]T, error) {
	out := make([]T, t.Len())
	return out, d.Download(HostBytes(out), t)
}

// Write returns a new tensor with the given content.
func Write[T Elem](d Device, dt DType, data []T, shape ...int) (*Tensor, error) {
	t, err := d.Alloc(dt, shape...)
	if err != nil {
		return nil, err
	}
	if err := d.Upload(t, HostBytes(data)); err != nil {
		d.Free(t)
		return nil, err
	}
	return t, nil
}

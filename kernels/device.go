package kernels

import (
	"fmt"
	"unsafe"
)

// Device allocates tensors and does ops on them. All methods may be called from several goroutines at once.
// An op it cannot do is an error, never a silent detour.
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

	// Pack returns the weights [N, K] in the order that Linear, Conv2D and UpConv want on this device. w stays valid.
	Pack(w *Tensor) (*Tensor, error)

	// Do checks the op and carries it out, or queues it in order with the ops before it.
	Do(Op) error
	// Sync waits for everything queued.
	Sync() error
	// Close frees what the device holds for itself. Tensors still allocated are reported as an error.
	Close() error
}

// Sizer is a device that can say how much memory of its own choice things take, for plans.
type Sizer interface {
	PackedBytes(n, k int) int // of weights [n, k] from Pack
	ScratchBytes(op Op) int   // of an op, beside its operands
}

// Narrower is a device that multiplies in 16 bits, and rather keeps in them what is made to be multiplied.
type Narrower interface {
	Narrow() DType // F16 or BF16; F32 says that it does not
}

// NarrowOf returns what a device, or the one it stands before, keeps factors in.
func NarrowOf(d Device) DType {
	if n, ok := find[Narrower](d); ok {
		return n.Narrow()
	}
	return F32
}

// find returns the first that is a T: a device, the one it stands before, and so on.
func find[T any](d Device) (t T, ok bool) {
	for {
		if t, ok = d.(T); ok {
			return t, true
		}
		over, before := d.(interface{ Unwrap() Device })
		if !before {
			return t, false
		}
		d = over.Unwrap()
	}
}

// Narrowed says whether an operand of an op is in 16 bits that could be float32. Cast is not meant.
func Narrowed(op Op) bool {
	any := func(ts ...*Tensor) bool {
		for _, t := range ts {
			if t != nil && t.DType.narrow() {
				return true
			}
		}
		return false
	}
	switch op := op.(type) {
	case Linear:
		return any(op.X, op.Y)
	case Attention:
		return any(op.Q, op.K, op.V, op.Y)
	case WindowAttention:
		return any(op.QKV, op.Y)
	case RotaryAttention:
		return any(op.Q, op.X, op.V, op.Y)
	case RoPE:
		return any(op.X, op.Y)
	case LayerNorm:
		return any(op.Y)
	}
	return false
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

package kerneltest

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Slow is a device made of the references: float64 arithmetic between float32 tensors. It is what a
// fast device is compared with where a whole computation is to be checked, and it shows that the
// suite can be passed.
type Slow struct {
	mu   sync.Mutex
	live int
}

var _ kernels.Device = (*Slow)(nil)

type slowBuffer struct{ b []byte } // nil once freed

func (b *slowBuffer) Bytes() int { return len(b.b) }

func (d *Slow) Info() kernels.Info {
	return kernels.Info{Name: "slow", Model: "the references", Threads: 1}
}

func (d *Slow) Alloc(dt kernels.DType, shape ...int) (*kernels.Tensor, error) {
	t := &kernels.Tensor{DType: dt, Shape: append([]int(nil), shape...)}
	for _, n := range shape {
		if n < 0 {
			return nil, fmt.Errorf("slow: alloc %v: negative length", t)
		}
	}
	t.Buf = &slowBuffer{poison(dt, t.Len())}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.live++
	return t, nil
}

func (d *Slow) Free(t *kernels.Tensor) {
	if t == nil || t.View {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if b, ok := t.Buf.(*slowBuffer); ok && b.b != nil {
		b.b = nil
		d.live--
	}
}

// bytes returns the memory of a tensor's elements.
func (d *Slow) bytes(t *kernels.Tensor) []byte {
	lo := t.Off * t.DType.Size()
	return t.Buf.(*slowBuffer).b[lo : lo+t.Bytes()]
}

func (d *Slow) Upload(dst *kernels.Tensor, src []byte) error {
	if dst.Bytes() != len(src) {
		return fmt.Errorf("slow: upload: %v has %d bytes, the host %d", dst, dst.Bytes(), len(src))
	}
	copy(d.bytes(dst), src)
	return nil
}

func (d *Slow) Download(dst []byte, src *kernels.Tensor) error {
	if src.Bytes() != len(dst) {
		return fmt.Errorf("slow: download: %v has %d bytes, the host %d", src, src.Bytes(), len(dst))
	}
	copy(dst, d.bytes(src))
	return nil
}

// Pack copies: the private order is row-major.
func (d *Slow) Pack(w *kernels.Tensor) (*kernels.Tensor, error) {
	if w.DType != kernels.F32 || w.Layout != kernels.RowMajor || len(w.Shape) != 2 {
		return nil, fmt.Errorf("slow: pack: got %v, want row-major f32[n,k]", w)
	}
	p, err := d.Alloc(kernels.F32, w.Shape...)
	if err != nil {
		return nil, err
	}
	copy(d.bytes(p), d.bytes(w))
	p.Layout = kernels.Packed
	return p, nil
}

func (d *Slow) Do(op kernels.Op) error {
	if err := op.Check(); err != nil {
		return err
	}
	y, _ := evaluate(op, func(t *kernels.Tensor) []float64 {
		if t == nil {
			return nil
		}
		return decode[float64](t.DType, d.bytes(t))
	})
	t := kernels.Result(op)
	if c, ok := op.(kernels.Cast); ok && c.X.DType == c.Y.DType {
		copy(d.bytes(t), d.bytes(c.X)) // every bit, a NaN's too
		return nil
	}
	encode(d.bytes(t), t.DType, y)
	return nil
}

func (d *Slow) Sync() error { return nil }

func (d *Slow) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live > 0 {
		return fmt.Errorf("slow: %d tensors are still allocated", d.live)
	}
	return nil
}

// encode rounds elements to a type.
func encode(b []byte, dt kernels.DType, v []float64) {
	for i, x := range v {
		switch dt {
		case kernels.F32:
			binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(float32(x)))
		case kernels.F16:
			binary.LittleEndian.PutUint16(b[2*i:], toF16(float32(x)))
		case kernels.BF16:
			binary.LittleEndian.PutUint16(b[2*i:], toBF16(float32(x)))
		case kernels.U8:
			b[i] = uint8(x)
		case kernels.I32:
			binary.LittleEndian.PutUint32(b[4*i:], uint32(int32(x)))
		}
	}
}

package kerneltest

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Case is one op on one device: Make builds it from random operands.
type Case struct {
	Name string // op/what is special
	Make func(*Maker) kernels.Op
}

var actNames = map[kernels.Act]string{
	kernels.None: "none", kernels.ReLU: "relu", kernels.GELU: "gelu", kernels.Sigmoid: "sigmoid", kernels.Step: "step",
}

// Maker makes the operands of a case on a device and remembers what is in them. Every operand lies
// between two guards: what is read beyond an operand is NaN, what is written beyond it is found.
type Maker struct {
	dev   kernels.Device
	rng   rng
	made  map[*kernels.Tensor]*operand
	owned []*kernels.Tensor
	err   error
	guard int // elements on each side of an operand
}

type operand struct {
	whole *kernels.Tensor // guard, elements, guard; nil for packed weights
	host  []byte          // content of the elements before the op, row-major
}

// newMaker seeds the generator by the case's name, so that cases do not depend on each other.
func newMaker(dev kernels.Device, name string) *Maker {
	h := fnv.New64a()
	h.Write([]byte(name))
	return &Maker{dev: dev, rng: rng{h.Sum64()}, made: map[*kernels.Tensor]*operand{}, guard: 64}
}

func (m *Maker) close() {
	for _, t := range m.owned {
		m.dev.Free(t)
	}
}

// F32 returns uniform values in [-1, 1).
func (m *Maker) F32(shape ...int) *kernels.Tensor { return m.Scaled(1, shape...) }

// Scaled returns uniform values in [-gain, gain).
func (m *Maker) Scaled(gain float32, shape ...int) *kernels.Tensor {
	return m.Data(m.rng.floats(size(shape), gain), shape...)
}

// Data returns the given values.
func (m *Maker) Data(v []float32, shape ...int) *kernels.Tensor {
	return m.Bytes(kernels.F32, kernels.HostBytes(v), shape...)
}

// Packed returns uniform weights in [-1, 1), as the device packs them.
func (m *Maker) Packed(n, k int) *kernels.Tensor {
	w := m.F32(n, k)
	if m.err != nil {
		return w
	}
	p, err := m.dev.Pack(w)
	if err != nil {
		m.err = err
		return w
	}
	m.owned = append(m.owned, p)
	m.made[p] = &operand{host: m.made[w].host}
	return p
}

// Out returns a result whose elements are NaN until they are written.
func (m *Maker) Out(shape ...int) *kernels.Tensor { return m.OutOf(kernels.F32, shape...) }

// OutOf is Out for any element type; integers start as a pattern.
func (m *Maker) OutOf(dt kernels.DType, shape ...int) *kernels.Tensor {
	return m.Bytes(dt, poison(dt, size(shape)), shape...)
}

// Bytes returns elements of any type.
func (m *Maker) Bytes(dt kernels.DType, host []byte, shape ...int) *kernels.Tensor {
	n := size(shape)
	if m.err != nil {
		return &kernels.Tensor{DType: dt, Shape: shape}
	}
	whole, err := m.dev.Alloc(dt, n+2*m.guard)
	if err != nil {
		m.err = err
		return &kernels.Tensor{DType: dt, Shape: shape}
	}
	m.owned = append(m.owned, whole)
	all := poison(dt, n+2*m.guard)
	copy(all[m.guard*dt.Size():], host)
	m.err = m.dev.Upload(whole, all)
	t := whole.Slice(m.guard, m.guard+n).Reshape(shape...)
	m.made[t] = &operand{whole, host}
	return t
}

// untouched returns an error unless the guards of all operands, and the elements of all but the
// result, are as they were.
func (m *Maker) untouched(y *kernels.Tensor) error {
	for t, o := range m.made {
		if o.whole == nil {
			continue
		}
		all := make([]byte, o.whole.Bytes())
		if err := m.dev.Download(all, o.whole); err != nil {
			return err
		}
		want := poison(t.DType, o.whole.Len())
		lo := m.guard * t.DType.Size()
		hi := lo + len(o.host)
		copy(want[lo:hi], o.host)
		if t == y {
			copy(want[lo:hi], all[lo:hi])
		}
		for i := range all {
			if all[i] != want[i] {
				return fmt.Errorf("element %d of %v, which is not the result's, was written", i/t.DType.Size()-m.guard, t)
			}
		}
	}
	return nil
}

// poison is n elements that no op may read: NaN, or a pattern for integers.
func poison(dt kernels.DType, n int) []byte {
	b := make([]byte, n*dt.Size())
	for i := range b {
		b[i] = 0xff
	}
	if dt == kernels.U8 || dt == kernels.I32 {
		for i := range b {
			b[i] = 0x5a
		}
	}
	return b
}

// decode widens elements to F. Half types convert exactly.
func decode[F real](dt kernels.DType, b []byte) []F {
	out := make([]F, len(b)/dt.Size())
	for i := range out {
		switch dt {
		case kernels.F32:
			out[i] = F(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		case kernels.F16:
			out[i] = F(fromF16(binary.LittleEndian.Uint16(b[2*i:])))
		case kernels.BF16:
			out[i] = F(fromBF16(binary.LittleEndian.Uint16(b[2*i:])))
		case kernels.U8:
			out[i] = F(b[i])
		case kernels.I32:
			out[i] = F(int32(binary.LittleEndian.Uint32(b[4*i:])))
		}
	}
	return out
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// rng is splitmix64.
type rng struct{ s uint64 }

func (r *rng) next() uint64 {
	r.s += 0x9E3779B97F4A7C15
	z := r.s
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// floats returns uniform multiples of gain/2^23 in [-gain, gain).
func (r *rng) floats(n int, gain float32) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = (float32(r.next()>>40)/(1<<23) - 1) * gain
	}
	return v
}

package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Tensor is one stored tensor: a shape over bytes of a file, possibly strided, or over values made
// when asked for.
type Tensor struct {
	Name  string
	DType kernels.DType
	Shape []int
	Wide  bool // stored as f64, rounded to the f32 of DType when it is read

	stride []int                  // in elements, nil when dense row-major
	data   []byte                 // little-endian, from the first element on
	read   func() ([]byte, error) // makes the dense bytes when there is no data
	file   *File                  // whose mapping data belongs to, nil without
}

// newWide returns a dense tensor over float64.
func newWide(name string, shape []int, data []byte) (*Tensor, error) {
	n, err := elements(shape, 8)
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", name, err)
	}
	if n*8 != len(data) {
		return nil, fmt.Errorf("tensor %q: f64%v is %d bytes, not %d", name, shape, n*8, len(data))
	}
	return &Tensor{Name: name, DType: kernels.F32, Wide: true, Shape: slices.Clone(shape), data: data}, nil
}

// New returns a dense tensor over row-major little-endian bytes, which are not copied.
func New(name string, dt kernels.DType, shape []int, data []byte) (*Tensor, error) {
	n, err := elements(shape, dt.Size())
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", name, err)
	}
	if n*dt.Size() != len(data) {
		return nil, fmt.Errorf("tensor %q: %s%v is %d bytes, not %d", name, dt, shape, n*dt.Size(), len(data))
	}
	return &Tensor{Name: name, DType: dt, Shape: slices.Clone(shape), data: data}, nil
}

// FromFloat32 returns a dense tensor over values, which are not copied.
func FromFloat32(name string, values []float32, shape ...int) (*Tensor, error) {
	return New(name, kernels.F32, shape, kernels.HostBytes(values))
}

// Func returns a float32 tensor whose values are made by fill each time they are read, so that a
// large set of tensors needs the memory of one. fill gets a row-major slice of the tensor's length
// and must be deterministic.
func Func(name string, shape []int, fill func([]float32)) (*Tensor, error) {
	if _, err := elements(shape, 4); err != nil {
		return nil, fmt.Errorf("tensor %q: %w", name, err)
	}
	t := &Tensor{Name: name, DType: kernels.F32, Shape: slices.Clone(shape)}
	t.read = func() ([]byte, error) {
		out := make([]float32, t.Len())
		fill(out)
		return kernels.HostBytes(out), nil
	}
	return t, nil
}

// Len returns the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Bytes returns the size of the elements, dense and in their own type.
func (t *Tensor) Bytes() int { return t.Len() * t.DType.Size() }

func (t *Tensor) String() string { return fmt.Sprintf("%s %s%v", t.Name, t.DType, t.Shape) }

// Dense returns the elements in their own type, row-major and little-endian. The bytes may be those
// of the file: they must not be changed, nor used after the file is closed.
func (t *Tensor) Dense() ([]byte, error) {
	if t.file != nil && t.file.closed.Load() {
		return nil, fmt.Errorf("%s: tensor %q: the file is closed", t.file.Path, t.Name)
	}
	size := t.DType.Size()
	if t.Wide {
		size = 8
	}
	data := t.data
	switch {
	case t.read != nil:
		return t.read()
	case t.stride == nil:
		data = data[:t.Len()*size]
	default:
		data = gather(data, size, t.Shape, t.stride)
	}
	if t.Wide {
		out := make([]float32, t.Len())
		for i := range out {
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:])))
		}
		data = kernels.HostBytes(out)
	}
	return data, nil
}

// NonFinite returns how many elements are NaN or infinite, those included that are so as float32.
func (t *Tensor) NonFinite() (int, error) {
	if t.DType != kernels.F32 && t.DType != kernels.F16 && t.DType != kernels.BF16 {
		return 0, nil
	}
	data, err := t.Dense()
	n := 0
	switch t.DType { // all bits of the exponent are set
	case kernels.F32:
		for ; len(data) >= 4; data = data[4:] {
			if binary.LittleEndian.Uint32(data)&0x7f800000 == 0x7f800000 {
				n++
			}
		}
	default:
		exponent := map[kernels.DType]uint16{kernels.F16: 0x7c00, kernels.BF16: 0x7f80}[t.DType]
		for ; len(data) >= 2; data = data[2:] {
			if binary.LittleEndian.Uint16(data)&exponent == exponent {
				n++
			}
		}
	}
	return n, err
}

// Float32 returns the elements row-major as a new slice, f16 and bf16 widened, which is exact.
// Integer tensors are an error.
func (t *Tensor) Float32() ([]float32, error) {
	src, err := t.Dense()
	if err != nil {
		return nil, err
	}
	out := make([]float32, t.Len())
	switch t.DType {
	case kernels.F32:
		copy(kernels.HostBytes(out), src)
	case kernels.F16:
		for i := range out {
			out[i] = widenF16(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case kernels.BF16:
		for i := range out {
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	default:
		return nil, fmt.Errorf("tensor %q holds %s, not floating point", t.Name, t.DType)
	}
	return out, nil
}

// gather copies strided elements of a given size into dense row-major order. The innermost axis is
// a plain loop, the others count like an odometer.
func gather(src []byte, size int, shape, stride []int) []byte {
	n := 1
	for _, d := range shape {
		n *= d
	}
	out := make([]byte, 0, n*size)
	if n == 0 {
		return out
	}
	last := len(shape) - 1
	if last < 0 {
		return append(out, src[:size]...)
	}
	index, base := make([]int, last), 0
	for {
		for i, at := 0, base*size; i < shape[last]; i, at = i+1, at+stride[last]*size {
			out = append(out, src[at:at+size]...)
		}
		axis := last - 1
		for ; axis >= 0; axis-- {
			index[axis]++
			base += stride[axis]
			if index[axis] < shape[axis] {
				break
			}
			base -= index[axis] * stride[axis]
			index[axis] = 0
		}
		if axis < 0 {
			return out
		}
	}
}

// widenF16 converts IEEE 754 binary16 to binary32.
func widenF16(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 31: // infinity, NaN
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	case 0: // zero, subnormal: frac * 2^-24
		v := float32(frac) * 0x1p-24
		return math.Float32frombits(math.Float32bits(v) | sign)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

var errTooLarge = errors.New("the shape has more elements than memory has addresses")

// elements returns the product of a shape, or an error when an axis is negative or the bytes
// overflow.
func elements(shape []int, size int) (int, error) {
	n, empty := uint64(size), false
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative axis", clip(shape))
		}
		if empty = empty || d == 0; empty {
			continue
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, errTooLarge
		}
		n = lo
	}
	if empty {
		return 0, nil
	}
	return int(n) / size, nil
}

// clip shortens a list for a message.
func clip(list []int) string {
	if len(list) > 8 {
		return fmt.Sprintf("%v...", list[:8])
	}
	return fmt.Sprint(list)
}

package kerneltest

import (
	"github.com/seed49bbd0e6/tachi/kernels"
)

// Half is a device whose products round their operands to 16 bits, as tensor cores do, made of a
// device that does not: what a network loses on a GPU shows without one. Norms, residuals and the
// softmax stay as they are, and so do the weights of an attention, which a GPU rounds as well
// before they are multiplied by the values.
type Half struct {
	kernels.Device
	To kernels.DType // F16 or BF16
}

// rounded returns a copy of a tensor with every element rounded, which the caller frees.
func (h Half) rounded(t *kernels.Tensor) (*kernels.Tensor, error) {
	s := kernels.NewScope(h.Device)
	defer s.Close()
	half, y := s.New(h.To, t.Shape...), s.F32(t.Shape...)
	s.Do(kernels.Cast{X: t, Y: half})
	s.Do(kernels.Cast{X: half, Y: y})
	s.Keep(y)
	return y, s.Err()
}

// Pack implements kernels.Device.
func (h Half) Pack(w *kernels.Tensor) (*kernels.Tensor, error) {
	r, err := h.rounded(w)
	if err != nil {
		return nil, err
	}
	defer h.Free(r)
	return h.Device.Pack(r)
}

// Do implements kernels.Device.
func (h Half) Do(op kernels.Op) (err error) {
	var copies []*kernels.Tensor
	round := func(t *kernels.Tensor) *kernels.Tensor {
		if err != nil {
			return t
		}
		t, err = h.rounded(t)
		copies = append(copies, t)
		return t
	}
	defer func() {
		for _, t := range copies {
			h.Free(t)
		}
	}()
	op = replaced(op, func(o kernels.Operand) *kernels.Tensor {
		if o.Role&kernels.Multiplied == 0 || o.T == nil || o.T.Layout == kernels.Packed { // packed ones are rounded
			return o.T
		}
		return round(o.T)
	})
	if err != nil {
		return err
	}
	return h.Device.Do(op)
}

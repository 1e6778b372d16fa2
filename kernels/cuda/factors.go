package cuda

import "github.com/seed49bbd0e6/tachi/kernels"

// Factors are float32, or the 16 bits that the device multiplies in.

// Narrow returns the type that the device keeps factors in.
func (d *Device) OperandType() kernels.DType {
	switch d.precision {
	case BFloat16:
		return kernels.BF16
	case Float16:
		return kernels.F16
	}
	return kernels.F32
}

// narrows wants tensors to be in float32 or in the device's own 16 bits.
func (d *Device) narrows(op string, ts ...*kernels.Tensor) error {
	for _, t := range ts {
		if t.DType != kernels.F32 && t.DType != d.OperandType() {
			return &kernels.UnsupportedError{Device: "cuda", Op: op + " of " + t.DType.String() + " in " + d.precision.String()}
		}
	}
	return nil
}

// typeOf returns the type of factors as the kernels number it: as the Precision that it is.
func typeOf(t *kernels.Tensor) int32 {
	switch t.DType {
	case kernels.BF16:
		return int32(BFloat16)
	case kernels.F16:
		return int32(Float16)
	}
	return int32(Float32)
}

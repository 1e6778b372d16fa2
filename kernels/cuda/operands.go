package cuda

import "github.com/seed49bbd0e6/tachi/kernels"

// Product operands are float32, or of the 16-bit type that the device multiplies in.

// OperandType returns the type in which the device prefers to store them.
func (d *Device) OperandType() kernels.DType {
	switch d.precision {
	case BFloat16:
		return kernels.BF16
	case Float16:
		return kernels.F16
	}
	return kernels.F32
}

// readable returns an error unless tensors are in float32 or in the device's own 16 bits.
func (d *Device) readable(op string, ts ...*kernels.Tensor) error {
	for _, t := range ts {
		if t.DType != kernels.F32 && t.DType != d.OperandType() {
			return &kernels.UnsupportedError{Device: "cuda", Op: op + " of " + t.DType.String() + " in " + d.precision.String()}
		}
	}
	return nil
}

// typeOf returns the type of an operand as the kernels number it: as the Precision that it is.
func typeOf(t *kernels.Tensor) int32 {
	switch t.DType {
	case kernels.BF16:
		return int32(BFloat16)
	case kernels.F16:
		return int32(Float16)
	}
	return int32(Float32)
}

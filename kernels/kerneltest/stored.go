package kerneltest

import (
	"reflect"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// replaced is an op with some operands exchanged: f returns what stands for an operand, which may
// be the operand itself.
func replaced(op kernels.Op, f func(kernels.Operand) *kernels.Tensor) kernels.Op {
	v := reflect.New(reflect.TypeOf(op)).Elem()
	v.Set(reflect.ValueOf(op))
	for _, o := range op.Operands() {
		v.FieldByName(o.Name).Set(reflect.ValueOf(f(o)))
	}
	return v.Interface().(kernels.Op)
}

// StoredHalf is a case with Product operands in 16 bits, and whether there is one: whether the op
// has such operands, and their widths allow it. Bit i of which is set if the i-th of them is meant,
// the result being the last. The operands are rounded copies, which the reference reads as well.
func StoredHalf(c Case, dt kernels.DType, which uint) (Case, bool) {
	made := func(m *Maker) kernels.Op { return storedHalf(m, c.Make(m), dt, which) }
	m := newMaker(&Slow{}, c.Name)
	defer m.close()
	op := made(m)
	return Case{c.Name, made}, m.err == nil && kernels.HasHalf(op) && op.Check() == nil
}

func storedHalf(m *Maker, op kernels.Op, dt kernels.DType, which uint) kernels.Op {
	wide := map[*kernels.Tensor]bool{} // what is also an operand that has to stay in float32
	for _, o := range op.Operands() {
		if o.Role&kernels.Product == 0 {
			wide[o.T] = true
		}
	}
	copies := map[*kernels.Tensor]*kernels.Tensor{} // an operand that is the result too has one copy
	i := 0
	return replaced(op, func(o kernels.Operand) *kernels.Tensor {
		if o.Role&kernels.Product == 0 {
			return o.T
		}
		meant := which>>i&1 == 1
		i++
		if !meant || wide[o.T] || m.err != nil {
			return o.T
		}
		if copies[o.T] == nil {
			v := decode[float64](kernels.F32, m.made[o.T].host)
			half := make([]byte, 2*len(v))
			encode(half, dt, v)
			copies[o.T] = m.Bytes(dt, half, o.T.Shape...)
		}
		return copies[o.T]
	})
}

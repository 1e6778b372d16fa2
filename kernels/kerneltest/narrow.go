package kerneltest

import "github.com/seed49bbd0e6/tachi/kernels"

// Narrowed is a case with factors in 16 bits, and whether there is one: whether the op has factors, and their widths allow
// it. Bit i of which says whether the i-th of them is meant, the result being the last. Operands are rounded copies, which
// the reference reads as well.
func Narrowed(c Case, dt kernels.DType, which uint) (Case, bool) {
	made := func(m *Maker) kernels.Op { return narrowed(m, c.Make(m), dt, which) }
	m := newMaker(&Slow{}, c.Name)
	defer m.close()
	op := made(m)
	return Case{c.Name, made}, m.err == nil && kernels.Narrowed(op) && op.Check() == nil
}

func narrowed(m *Maker, op kernels.Op, dt kernels.DType, which uint) kernels.Op {
	copies := map[*kernels.Tensor]*kernels.Tensor{} // an operand that is the result too has one copy
	narrow := func(operands ...**kernels.Tensor) {
		for i, t := range operands {
			if which>>i&1 == 0 || m.err != nil {
				continue
			}
			if copies[*t] == nil {
				v := decode[float64](kernels.F32, m.made[*t].host)
				half := make([]byte, 2*len(v))
				encode(half, dt, v)
				copies[*t] = m.Bytes(dt, half, (*t).Shape...)
			}
			*t = copies[*t]
		}
	}
	switch op := op.(type) {
	case kernels.Linear:
		if op.Y == op.Res {
			narrow(&op.X)
		} else {
			narrow(&op.X, &op.Y)
		}
		return op
	case kernels.Attention:
		narrow(&op.Q, &op.K, &op.V, &op.Y)
		return op
	case kernels.WindowAttention:
		narrow(&op.QKV, &op.Y)
		return op
	case kernels.RotaryAttention:
		narrow(&op.Q, &op.X, &op.V, &op.Y)
		return op
	case kernels.RoPE:
		narrow(&op.X, &op.Y)
		return op
	case kernels.LayerNorm:
		if op.Y != op.X {
			narrow(&op.Y)
		}
		return op
	}
	return op
}

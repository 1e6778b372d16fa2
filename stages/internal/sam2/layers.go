package sam2

import "github.com/seed49bbd0e6/tachi/kernels"

// The layers that the network is made of. A layer is weights with one or two ways to apply them;
// results are temporaries of the scope that is passed in.

// linear is Y = X Wᵀ + b; also a 1x1 convolution, and with layout changes a convolution of any
// size.
type linear struct {
	w *kernels.Tensor // packed [out, in]
	b *kernels.Tensor // [out]
}

// out returns the width of the result.
func (l linear) out() int { return l.w.Shape[0] }

// apply returns Act(X Wᵀ + b) in the shape of x with the last axis changed.
func (l linear) apply(s *kernels.Scope, x *kernels.Tensor, act kernels.Act) *kernels.Tensor {
	shape := append([]int{}, x.Shape...)
	shape[len(shape)-1] = l.out()
	return l.into(s, x, act, nil, s.F32(shape...))
}

// add returns X Wᵀ + b + res, written over res.
func (l linear) add(s *kernels.Scope, x, res *kernels.Tensor) *kernels.Tensor {
	return l.into(s, x, kernels.None, res, res)
}

// operand is apply for a result that is only multiplied, in heads of the given number.
func (l linear) operand(s *kernels.Scope, x *kernels.Tensor, act kernels.Act, heads int) *kernels.Tensor {
	shape := append([]int{}, x.Shape...)
	shape[len(shape)-1] = l.out()
	return l.into(s, x, act, nil, s.Operand(heads, shape...))
}

// into writes Act(X Wᵀ + b + res) to y and returns y; res may be nil.
func (l linear) into(s *kernels.Scope, x *kernels.Tensor, act kernels.Act, res, y *kernels.Tensor) *kernels.Tensor {
	s.Do(kernels.Linear{X: x, W: l.w, Bias: l.b, Res: res, Act: act, Y: y})
	return y
}

// conv is a convolution with a square kernel.
type conv struct {
	linear
	kernel, stride, pad int
}

// apply returns conv(X) + b for a map [B, H, W, C].
func (c conv) apply(s *kernels.Scope, x *kernels.Tensor) *kernels.Tensor {
	side := func(n int) int { return (n+2*c.pad-c.kernel)/c.stride + 1 }
	y := s.F32(x.Dim(0), side(x.Dim(1)), side(x.Dim(2)), c.out())
	c.into(s, x, nil, y)
	return y
}

// into writes conv(X) + b + res to y; res may be nil.
func (c conv) into(s *kernels.Scope, x, res, y *kernels.Tensor) {
	s.Do(kernels.Conv2D{X: x, W: c.w, Bias: c.b, Res: res, Kernel: c.kernel, Stride: c.stride, Pad: c.pad, Y: y})
}

// up is a transposed convolution that doubles a map.
type up struct{ linear }

// out returns the channels of the result.
func (u up) out() int { return u.w.Shape[0] / 4 }

// apply returns Act(convT(X) + b + res) for a map [1, H, W, C] and a residual [2H, 2W, out].
func (u up) apply(s *kernels.Scope, x, res *kernels.Tensor, act kernels.Act) *kernels.Tensor {
	y := s.F32(1, 2*x.Dim(1), 2*x.Dim(2), u.out())
	s.Do(kernels.UpConv{X: x, W: u.w, Bias: u.b, Res: res.Reshape(y.Shape...), Act: act, Y: y})
	return y
}

// norm is layer normalisation over channels.
type norm struct {
	gamma, beta *kernels.Tensor
	eps         float32
}

// apply returns the normalised x as a new tensor.
func (n norm) apply(s *kernels.Scope, x *kernels.Tensor) *kernels.Tensor {
	y := s.F32(x.Shape...)
	s.Do(kernels.LayerNorm{X: x, Gamma: n.gamma, Beta: n.beta, Eps: n.eps, Y: y})
	return y
}

// operand is apply for a result that is only multiplied.
func (n norm) operand(s *kernels.Scope, x *kernels.Tensor) *kernels.Tensor {
	y := s.Operand(1, x.Shape...)
	s.Do(kernels.LayerNorm{X: x, Gamma: n.gamma, Beta: n.beta, Eps: n.eps, Y: y})
	return y
}

// over writes Act(norm(x)) over x and returns it.
func (n norm) over(s *kernels.Scope, x *kernels.Tensor, act kernels.Act) *kernels.Tensor {
	s.Do(kernels.LayerNorm{X: x, Gamma: n.gamma, Beta: n.beta, Eps: n.eps, Act: act, Y: x})
	return x
}

// mlp is a chain of linear layers with an activation between them.
type mlp struct {
	layers []linear
	act    kernels.Act
}

// apply returns the last layer's result under last.
func (m mlp) apply(s *kernels.Scope, x *kernels.Tensor, last kernels.Act) *kernels.Tensor {
	y := s.F32(append(append([]int{}, x.Shape[:len(x.Shape)-1]...), m.layers[len(m.layers)-1].out())...)
	return m.into(s, x, last, nil, y)
}

// into writes last(mlp(x) + res) to y and returns y; res may be nil.
func (m mlp) into(s *kernels.Scope, x *kernels.Tensor, last kernels.Act, res, y *kernels.Tensor) *kernels.Tensor {
	n := len(m.layers) - 1
	h := x
	for _, l := range m.layers[:n] {
		next := l.operand(s, h, m.act, 1)
		if h != x {
			s.Free(h)
		}
		h = next
	}
	m.layers[n].into(s, h, last, res, y)
	if h != x {
		s.Free(h)
	}
	return y
}

// add returns a + b as a new tensor of a's shape; a shorter b repeats over leading rows.
func add(s *kernels.Scope, a, b *kernels.Tensor) *kernels.Tensor {
	y := s.F32(a.Shape...)
	s.Do(kernels.Add{A: a, B: b, Alpha: 1, Y: y})
	return y
}

// copyTo copies elements, with a change of type where the types differ, and returns dst.
func copyTo(s *kernels.Scope, dst, src *kernels.Tensor) *kernels.Tensor {
	s.Do(kernels.Cast{X: src, Y: dst})
	return dst
}

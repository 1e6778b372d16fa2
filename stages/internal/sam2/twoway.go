package sam2

import (
	"math"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// The two-way transformer of the mask decoder: tokens attend to each other and to the image, and
// the image attends to the tokens, in two layers and a last look of the tokens at the image. The
// tokens' initial values serve as their positions throughout, and the Fourier map as the image's;
// both are added to queries and keys, not to values.

const (
	twoWayHeads = 8
	twoWayRate  = 2 // the attentions between tokens and image are that much narrower
)

// twoWay holds its weights.
type twoWay struct {
	layers    [2]twoWayLayer
	final     attention
	finalNorm norm
}

// twoWayLayer is one layer of the two-way transformer.
type twoWayLayer struct {
	self, toImage, toTokens    attention
	norm1, norm2, norm3, norm4 norm
	mlp                        mlp
}

// attention is multi-head attention with its four projections.
type attention struct {
	q, k, v, out linear
	heads        int
}

func (b *binder) attention(name string, d, inner, heads int) attention {
	return attention{
		q: b.linear(name+".q_proj", inner, d), k: b.linear(name+".k_proj", inner, d), v: b.linear(name+".v_proj", inner, d),
		out: b.linear(name+".out_proj", d, inner), heads: heads,
	}
}

// apply returns the projected attention of q to k and v, plus res where there is one, written over
// it.
func (a *attention) apply(s *kernels.Scope, q, k, v, res *kernels.Tensor) *kernels.Tensor {
	pq, pk, pv := a.q.apply(s, q, kernels.None), a.k.apply(s, k, kernels.None), a.v.apply(s, v, kernels.None)
	o := s.F32(pq.Shape...)
	scale := float32(1 / math.Sqrt(float64(a.q.out()/a.heads)))
	s.Do(kernels.Attention{Q: pq, K: pk, V: pv, Heads: a.heads, Scale: scale, Y: o})
	s.Free(pq, pk, pv)
	y := res
	if y == nil {
		y = s.F32(q.Rows(), a.out.out())
	}
	a.out.into(s, o, kernels.None, res, y)
	s.Free(o)
	return y
}

func (b *binder) twoWay(name string, d, hidden int) (t twoWay) {
	for i := range t.layers {
		l, n := &t.layers[i], index(name+".layers", i)
		l.self = b.attention(n+".self_attn", d, d, twoWayHeads)
		l.norm1 = b.norm(n+".norm1", d, 1e-5)
		l.toImage = b.attention(n+".cross_attn_token_to_image", d, d/twoWayRate, twoWayHeads)
		l.norm2 = b.norm(n+".norm2", d, 1e-5)
		l.mlp = b.mlp(n+".mlp", kernels.ReLU, d, hidden, d)
		l.norm3 = b.norm(n+".norm3", d, 1e-5)
		l.toTokens = b.attention(n+".cross_attn_image_to_token", d, d/twoWayRate, twoWayHeads)
		l.norm4 = b.norm(n+".norm4", d, 1e-5)
	}
	t.final = b.attention(name+".final_attn_token_to_image", d, d/twoWayRate, twoWayHeads)
	t.finalNorm = b.norm(name+".norm_final_attn", d, 1e-5)
	return t
}

// apply runs the transformer on tokens e [n, d] and features k [hw, d] with positions pe [hw, d].
// It consumes k and returns both as they come out.
func (t *twoWay) apply(s *kernels.Scope, e, k, pe *kernels.Tensor) (q, out *kernels.Tensor) {
	q = e
	for i := range t.layers {
		l := &t.layers[i]
		if i == 0 {
			q = l.self.apply(s, e, e, e, nil) // no positions and no residual in the first layer
		} else {
			qe := add(s, q, e)
			l.self.apply(s, qe, qe, q, q)
			s.Free(qe)
		}
		l.norm1.over(s, q, kernels.None)

		qe, kp := add(s, q, e), add(s, k, pe)
		l.toImage.apply(s, qe, kp, k, q)
		s.Free(qe)
		l.norm2.over(s, q, kernels.None)
		l.mlp.into(s, q, kernels.None, q, q)
		l.norm3.over(s, q, kernels.None)

		qe = add(s, q, e)
		l.toTokens.apply(s, kp, qe, q, k)
		s.Free(qe, kp)
		l.norm4.over(s, k, kernels.None)
	}
	qe, kp := add(s, q, e), add(s, k, pe)
	t.final.apply(s, qe, kp, k, q)
	s.Free(qe, kp)
	return t.finalNorm.over(s, q, kernels.None), k
}

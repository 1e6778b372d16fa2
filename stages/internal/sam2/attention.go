package sam2

import (
	"errors"
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Memory attention conditions the vision feature on what the tracker remembers: memories (maps of
// past frames with their masks) and object pointers (one vector per past frame, cut into tokens as
// wide as a memory's). Each layer attends to the frame itself, then to the memory, then applies an
// MLP. Positions enter by rotation (RoPE): a memory token turns by its place in its own frame, a
// pointer does not turn, and what tells frames apart is added to the keys only.
//
// The values of both attentions carry no position and there is one head, so with A = softmax(Q Kᵀ)
// the projections behind them commute with the sum, A (M Wvᵀ + bv) Woᵀ + bo = (A M) (Wo Wv)ᵀ + (Wo
// bv + bo). The values of the first are the frame itself, and those of the second the bare memory,
// as narrow as it is.
//
// The memory's keys need not be made either, see kernels.RotaryAttention: worth it where the
// memories of a full bank are many for the size of their maps, as at 1024 x 1024. It is one way or
// the other for all frames, so that a fuller bank never needs less memory than an emptier one.

// Memory is one remembered frame.
type Memory struct {
	Features *kernels.Tensor // bf16 [hw, m], from EncodeMemory; m is Config.MemDim
	TPos     int             // row of maskmem_tpos_enc: num_maskmem-1 for a prompted frame, 0 for the frame before
}

// Pointer is one remembered object pointer.
type Pointer struct {
	Vector   *kernels.Tensor // f32 [d], from ObjectPointer
	Distance float64         // frames since, divided by the largest number of pointers less one
}

// memoryAttention holds its weights and tables.
type memoryAttention struct {
	atInput, atSelf, atCrossKeys, atCrossQueries bool // where positions are added

	pos        *kernels.Tensor   // [hw, d]: sine encoding of the frame
	memoryPos  []*kernels.Tensor // per TPos [hw, m]: sine encoding of a memory plus its place in time
	layers     []memoryLayer
	norm       norm
	selfRoPE   rope
	crossRoPE  rope
	crossAxis  rope // [side, d/4], the angles of one axis
	keyless    bool // the memory is attended to without keys
	scale      float32
	tpos       linear // encoding of a pointer's distance to m channels, when there is such a projection
	tposDim    int    // width of that encoding, 0: pointers have no place in time
	memDim     int
	perPointer int // tokens of a pointer
}

type memoryLayer struct {
	norm1, norm2, norm3 norm
	self, cross         bareAttention
	keys                *kernels.Tensor // the weights of cross.k, [d, m] not packed
	mlp                 mlp
}

// bareAttention is one whose values are its source itself; out is Wo Wv.
type bareAttention struct{ q, k, out linear }

// rope is a pair of rotation tables.
type rope struct{ cos, sin *kernels.Tensor } // [hw, d/2]

// rotate turns the first rows rows of x, which it consumes. The result is only multiplied.
func (r rope) rotate(s *kernels.Scope, x *kernels.Tensor, rows int) *kernels.Tensor {
	y := x
	if s.OperandType() != kernels.F32 {
		y = s.Operand(1, x.Shape...)
	}
	s.Do(kernels.RoPE{X: x, Cos: r.cos, Sin: r.sin, Rows: rows, Y: y})
	if y != x {
		s.Free(x)
	}
	return y
}

func (b *binder) memoryAttention(c Config) (a memoryAttention) {
	cfg, d, m, side := c.MemoryAttention, c.Dim(), c.MemDim(), c.Side()
	a.atInput, a.atSelf = cfg.PosEncAtInput, cfg.Layer.PosEncAtAttn
	a.atCrossKeys, a.atCrossQueries = cfg.Layer.PosEncAtCrossKeys, cfg.Layer.PosEncAtCrossQuery
	a.scale = float32(1 / math.Sqrt(float64(d)))
	a.memDim, a.perPointer = m, c.PointerTokens()
	rows, hw := c.NumMaskmem*side*side, side*side // of a full bank, and of a frame
	with, without := rows*d*m+hw*rows*(d+m), hw*side*d*m+hw*rows*2*m
	a.keyless = 5*without < 4*with

	act := kernels.ReLU
	if cfg.Layer.Activation == "gelu" {
		act = kernels.GELU
	}
	for i := range cfg.NumLayers {
		n := index("memory_attention.layers", i)
		layer := memoryLayer{
			norm1: b.norm(n+".norm1", d, 1e-5), norm2: b.norm(n+".norm2", d, 1e-5), norm3: b.norm(n+".norm3", d, 1e-5),
			self: b.bareAttention(n+".self_attn", b.linear(n+".self_attn.k_proj", d, d), d, d),
			mlp:  mlp{layers: []linear{b.linear(n+".linear1", cfg.Layer.DimFeedforward, d), b.linear(n+".linear2", d, cfg.Layer.DimFeedforward)}, act: act},
		}
		w, bias := b.values(n+".cross_attn_image.k_proj.weight", d, m), b.values(n+".cross_attn_image.k_proj.bias", d)
		layer.cross = b.bareAttention(n+".cross_attn_image", linear{b.pack(w, d, m), b.upload(bias, d)}, d, m)
		layer.keys = b.upload(w, d, m)
		a.layers = append(a.layers, layer)
	}
	a.norm = b.norm("memory_attention.norm", d, 1e-5)
	tpos := b.host("maskmem_tpos_enc", c.NumMaskmem, 1, 1, m)
	if c.UseObjPtrsInEncoder && c.AddTposEncToObjPtrs {
		a.tposDim = m
		if c.ProjTposEncInObjPtrs {
			a.tposDim = d
		}
	}
	if c.ProjTposEncInObjPtrs {
		a.tpos = b.linear("obj_ptr_tpos_proj", m, d)
	}
	if b.dev == nil {
		return a
	}
	a.pos = b.upload(sine2D(side, c.ImageEncoder.Neck.PositionEncoding), side*side, d)
	a.selfRoPE = b.rope(side, d, cfg.Layer.SelfAttention.RopeTheta)
	a.crossRoPE = a.selfRoPE
	if cfg.Layer.CrossAttention.RopeTheta != cfg.Layer.SelfAttention.RopeTheta {
		a.crossRoPE = b.rope(side, d, cfg.Layer.CrossAttention.RopeTheta)
	}
	a.crossAxis = b.axis(side, d, cfg.Layer.CrossAttention.RopeTheta)
	memoryPos := sine2D(side, c.MemoryEncoder.PositionEncoding)
	for t := range c.NumMaskmem {
		a.memoryPos = append(a.memoryPos, b.upload(broadcastSum(memoryPos, tpos[t*m:][:m]), side*side, m))
	}
	return a
}

// bareAttention binds what else an attention of d channels to a source of m has, with out_proj
// after v_proj as one map [d, m].
func (b *binder) bareAttention(name string, k linear, d, m int) bareAttention {
	wo, bo := b.values(name+".out_proj.weight", d, d), b.values(name+".out_proj.bias", d)
	wv, bv := b.values(name+".v_proj.weight", d, m), b.values(name+".v_proj.bias", d)
	w, bias := compose(wo, bo, wv, bv)
	return bareAttention{b.linear(name+".q_proj", d, d), k, linear{b.pack(w, d, m), b.upload(bias, d)}}
}

// rope uploads the rotation tables of a side x side map.
func (b *binder) rope(side, d int, theta float64) rope {
	cos, sin := ropeTables(side, d, theta)
	return rope{b.upload(cos, side*side, d/2), b.upload(sin, side*side, d/2)}
}

// axis uploads the rotation tables of one axis.
func (b *binder) axis(side, d int, theta float64) rope {
	cos, sin := axisTables(side, d, theta)
	return rope{b.upload(cos, side, d/4), b.upload(sin, side, d/4)}
}

// Condition returns the vision feature conditioned on memories and pointers, f32 [hw, d]. The
// caller frees it.
func (m *Model) Condition(f2 *kernels.Tensor, memories []Memory, pointers []Pointer) (*kernels.Tensor, error) {
	out, err := m.condition(f2, memories, pointers)
	if err != nil {
		return nil, fmt.Errorf("memory attention: %w", err)
	}
	return out, nil
}

func (m *Model) condition(f2 *kernels.Tensor, memories []Memory, pointers []Pointer) (*kernels.Tensor, error) {
	a, d := &m.attention, m.cfg.Dim()
	if err := m.shapedVision(f2); err != nil {
		return nil, err
	}
	if len(memories)+len(pointers) == 0 {
		return nil, errors.New("nothing to attend to")
	}
	s := kernels.NewScope(m.dev)
	defer s.Close()
	bare, keyed, err := a.gather(s, m.hw(), memories, pointers) // [N, m]
	if err == nil {
		err = s.Err() // what follows is the same work whatever was gathered: a batch of its own
	}
	if err != nil {
		return nil, err
	}
	n := len(memories) * m.hw()
	if s.OperandType() != kernels.F32 { // once for all layers
		bare, keyed = copyTo(s, s.Operand(1, bare.Shape...), bare), copyTo(s, s.Operand(1, keyed.Shape...), keyed)
	}

	x := s.Result(kernels.F32, m.hw(), d)
	if a.atInput {
		s.Do(kernels.Add{A: f2, B: a.pos, Alpha: 0.1, Y: x})
	} else {
		copyTo(s, x, f2)
	}
	for i := range a.layers {
		a.layers[i].apply(s, a, x, bare, keyed, n)
	}
	a.norm.over(s, x, kernels.None)
	s.Keep(x)
	return x, s.Err()
}

// gather lines up the memories and then the pointers as [N, m]: bare, and with the positions that
// the keys have.
func (a *memoryAttention) gather(s *kernels.Scope, hw int, memories []Memory, pointers []Pointer) (bare, keyed *kernels.Tensor, err error) {
	bare = s.F32(len(memories)*hw+len(pointers)*a.perPointer, a.memDim)
	keyed = s.F32(bare.Shape...)
	for i, mem := range memories {
		if err := shaped(fmt.Sprintf("memory %d", i), mem.Features, kernels.BF16, hw, a.memDim); err != nil {
			return nil, nil, err
		}
		if mem.TPos < 0 || mem.TPos >= len(a.memoryPos) {
			return nil, nil, fmt.Errorf("memory %d has time position %d, want 0 to %d", i, mem.TPos, len(a.memoryPos)-1)
		}
		rows := copyTo(s, bare.Slice(i*hw, (i+1)*hw), mem.Features)
		s.Do(kernels.Add{A: rows, B: a.memoryPos[mem.TPos], Alpha: 1, Y: keyed.Slice(i*hw, (i+1)*hw)})
	}
	if len(pointers) == 0 {
		return bare, keyed, nil
	}
	times := a.times(s, pointers) // [P, m]
	for i, p := range pointers {
		if err := shaped(fmt.Sprintf("pointer %d", i), p.Vector, kernels.F32, a.perPointer*a.memDim); err != nil {
			return nil, nil, err
		}
		lo := len(memories)*hw + i*a.perPointer
		rows := copyTo(s, bare.Slice(lo, lo+a.perPointer), p.Vector)
		if times == nil {
			copyTo(s, keyed.Slice(lo, lo+a.perPointer), rows)
		} else {
			s.Do(kernels.Add{A: rows, B: times.Index(i), Alpha: 1, Y: keyed.Slice(lo, lo+a.perPointer)})
		}
	}
	return bare, keyed, nil
}

// times returns the pointers' places in time [P, m], nil when they have none.
func (a *memoryAttention) times(s *kernels.Scope, pointers []Pointer) *kernels.Tensor {
	if a.tposDim == 0 {
		return nil
	}
	var encoded []float32
	for _, p := range pointers {
		encoded = append(encoded, sine1D(float32(p.Distance), a.tposDim)...)
	}
	t := s.Upload(encoded, len(pointers), a.tposDim)
	if a.tpos.w == nil {
		return t
	}
	return a.tpos.apply(s, t, kernels.None)
}

// placed returns the normalised x with the positions of the frame added.
func (a *memoryAttention) placed(s *kernels.Scope, n norm, x *kernels.Tensor) *kernels.Tensor {
	y := n.apply(s, x)
	s.Do(kernels.Add{A: y, B: a.pos, Alpha: 1, Y: y})
	return y
}

// apply runs one layer on x [hw, d] in place. The first n of the memory's rows turn with their
// place.
func (l *memoryLayer) apply(s *kernels.Scope, a *memoryAttention, x, bare, keyed *kernels.Tensor, n int) {
	// The frame attends to itself.
	v := l.norm1.operand(s, x)
	qk := v
	if a.atSelf {
		qk = a.placed(s, l.norm1, x)
	}
	q, k := l.self.q.apply(s, qk, kernels.None), l.self.k.apply(s, qk, kernels.None)
	if qk != v {
		s.Free(qk)
	}
	q, k = a.selfRoPE.rotate(s, q, q.Rows()), a.selfRoPE.rotate(s, k, k.Rows())
	o := s.Operand(1, q.Shape...)
	s.Do(kernels.Attention{Q: q, K: k, V: v, Heads: 1, Scale: a.scale, Y: o})
	s.Free(q, k, v)
	l.self.out.add(s, o, x)
	s.Free(o)

	// It attends to the memory.
	if a.atCrossQueries {
		v = a.placed(s, l.norm2, x)
	} else {
		v = l.norm2.operand(s, x)
	}
	q = l.cross.q.apply(s, v, kernels.None)
	s.Free(v)
	q = a.crossRoPE.rotate(s, q, q.Rows())
	source := keyed
	if !a.atCrossKeys {
		source = bare
	}
	o = s.Operand(1, q.Rows(), a.memDim)
	l.attend(s, a, q, source, bare, n, o)
	s.Free(q)
	l.cross.out.add(s, o, x)
	s.Free(o)

	v = l.norm3.operand(s, x)
	l.mlp.into(s, v, kernels.None, x, x)
	s.Free(v)
}

// attend makes o of the queries' attention to the memory.
func (l *memoryLayer) attend(s *kernels.Scope, a *memoryAttention, q, source, bare *kernels.Tensor, n int, o *kernels.Tensor) {
	if a.keyless {
		s.Do(kernels.RotaryAttention{Q: q, X: source, W: l.keys, Bias: l.cross.k.b, Cos: a.crossAxis.cos, Sin: a.crossAxis.sin,
			Maps: n / q.Rows(), V: bare, Scale: a.scale, Y: o})
		return
	}
	k := l.cross.k.apply(s, source, kernels.None) // [N, d]
	k = a.crossRoPE.rotate(s, k, n)
	s.Do(kernels.Attention{Q: q, K: k, V: bare, Heads: 1, Scale: a.scale, Y: o})
	s.Free(k)
}

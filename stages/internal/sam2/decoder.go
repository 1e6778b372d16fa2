package sam2

import (
	"errors"
	"fmt"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// The mask decoder. Tokens (object score, IoU, four masks, prompts) and image features attend to
// each other; then each mask token becomes, through its own MLP, a vector whose products with the
// upscaled features are that mask's logits. Other MLPs make the predicted IoUs and the object score
// of their tokens.

// DecodeInput is what the mask decoder answers.
type DecodeInput struct {
	F           Features
	Conditioned *kernels.Tensor // f32 [hw, d], from WithoutMemory or Condition
	Points      []PointPrompt
	MaskLogits  *kernels.Tensor // f32 [S/4, S/4], a mask prompt; nil without
	Multimask   bool            // three candidates instead of one
	Stability   *Stability      // for a single mask; nil: always the single-mask token's
}

// Stability replaces a single mask that depends on the threshold: where the pixels above Delta are
// fewer than Thresh of those above -Delta, the best of the three candidates is taken instead.
type Stability struct{ Delta, Thresh float32 }

// Decoded is the decoder's answer: n candidates, 3 with Multimask, else 1. Nothing is blanked. The
// caller frees the tensors.
type Decoded struct {
	Masks       *kernels.Tensor // f32 [n, S/4, S/4] logits
	Tokens      *kernels.Tensor // f32 [n, d], for ObjectPointer; a single mask always comes with the single-mask token
	IoU         []float32       // n predicted IoUs
	ObjectLogit float32         // more than 0: the object is there
}

const (
	candidates = 3              // masks of the multimask output
	maskTokens = candidates + 1 // the single mask first
)

// maskDecoder holds its weights.
type maskDecoder struct {
	tokens      []float32 // the learned tokens, in order: [object score], IoU, masks
	hasScore    bool      // the object score token is there
	transformer twoWay
	up1, up2    up
	upNorm      norm
	hyper       [maskTokens]mlp
	iou, score  mlp
	iouAct      kernels.Act
	ownToken    bool // a candidate's token is its own; else that of the single mask
}

func (b *binder) maskDecoder(c Config) (m maskDecoder) {
	const name = "sam_mask_decoder."
	d := c.Dim()
	m.hasScore = c.PredObjScores
	m.ownToken = c.UseMultimaskTokenForObjPtr
	if m.hasScore {
		m.tokens = append(m.tokens, b.host(name+"obj_score_token.weight", 1, d)...)
	}
	m.tokens = append(m.tokens, b.host(name+"iou_token.weight", 1, d)...)
	m.tokens = append(m.tokens, b.host(name+"mask_tokens.weight", maskTokens, d)...)
	m.transformer = b.twoWay(name+"transformer", d, c.MaskDecoder.MLPDim)
	m.up1 = b.up(name+"output_upscaling.0", d, d/4)
	m.upNorm = b.norm(name+"output_upscaling.1", d/4, 1e-6)
	m.up2 = b.up(name+"output_upscaling.3", d/4, d/8)
	for i := range m.hyper {
		m.hyper[i] = b.mlp(index(name+"output_hypernetworks_mlps", i), kernels.ReLU, d, d, d, d/8)
	}
	h := c.MaskDecoder.IoUHeadHiddenDim
	m.iou = b.mlp(name+"iou_prediction_head", kernels.ReLU, d, h, h, maskTokens)
	if c.IoUPredictionUseSigmoid {
		m.iouAct = kernels.Sigmoid
	}
	switch {
	case c.PredObjScores && c.PredObjScoresMLP:
		m.score = b.mlp(name+"pred_obj_score_head", kernels.ReLU, d, d, d, 1)
	case c.PredObjScores:
		m.score = mlp{layers: []linear{b.linear(name+"pred_obj_score_head", 1, d)}}
	}
	return m
}

// upscale enlarges the features k [hw, d] fourfold with the help of the fine maps: [S/4 * S/4,
// d/8].
func (m *maskDecoder) upscale(s *kernels.Scope, k *kernels.Tensor, f Features) *kernels.Tensor {
	side := f.F2.Dim(0)
	u1 := m.up1.apply(s, k.Reshape(1, side, side, k.Dim(-1)), f.F1, kernels.None)
	m.upNorm.over(s, u1, kernels.GELU)
	u2 := m.up2.apply(s, u1, f.F0, kernels.GELU)
	s.Free(u1)
	return u2.Reshape(u2.Rows(), u2.Dim(-1))
}

// Decode answers prompts, or their absence, on features.
func (m *Model) Decode(in DecodeInput) (Decoded, error) {
	out, err := m.decode(in)
	if err != nil {
		return Decoded{}, fmt.Errorf("mask decoder: %w", err)
	}
	return out, nil
}

func (m *Model) decode(in DecodeInput) (Decoded, error) {
	d, side := m.cfg.Dim(), m.cfg.MaskSide()
	if err := m.shapedFeatures(in.F); err != nil {
		return Decoded{}, err
	}
	if err := shaped("conditioned", in.Conditioned, kernels.F32, m.hw(), d); err != nil {
		return Decoded{}, err
	}
	if in.MaskLogits != nil {
		if err := shaped("mask prompt", in.MaskLogits, kernels.F32, side, side); err != nil {
			return Decoded{}, err
		}
	}
	prompts, err := m.prompt.tokens(in.Points)
	if err != nil {
		return Decoded{}, err
	}
	s := kernels.NewScope(m.dev)
	defer s.Close()
	dec := &m.decoder

	n := 1
	if in.Multimask {
		n = candidates
	}
	out := Decoded{Masks: s.Result(kernels.F32, n, side, side), Tokens: s.Result(kernels.F32, n, d)}

	tokens := append(append([]float32{}, dec.tokens...), prompts...)
	e := s.Upload(tokens, len(tokens)/d, d)
	q, k := dec.transformer.apply(s, e, m.prompt.source(s, in.Conditioned, in.MaskLogits), m.prompt.densePE)
	u := dec.upscale(s, k, in.F) // [S/4 * S/4, d/8]

	score := 0 // index of the IoU token
	objectLogit := float32(10)
	if dec.hasScore {
		score = 1
		objectLogit = s.Read(dec.score.apply(s, q.Slice(0, 1), kernels.None))[0]
	}
	ious := s.Read(dec.iou.apply(s, q.Slice(score, score+1), dec.iouAct)) // [maskTokens]
	own := q.Slice(score+1, score+1+maskTokens)

	// mask writes the logits of mask token i.
	mask := func(i int, y *kernels.Tensor) {
		v := dec.hyper[i].apply(s, own.Slice(i, i+1), kernels.None) // [1, d/8]
		s.Do(kernels.MatMulNT{A: v, B: u, Y: y.Reshape(1, side*side)})
	}
	out.ObjectLogit = objectLogit
	if in.Multimask {
		out.IoU = ious[1:]
		for i := range candidates {
			mask(i+1, out.Masks.Slice(i, i+1))
			token := 0
			if dec.ownToken {
				token = i + 1
			}
			copyTo(s, out.Tokens.Index(i), own.Index(token))
		}
	} else {
		out.IoU = ious[:1]
		mask(0, out.Masks)
		copyTo(s, out.Tokens, own.Slice(0, 1))
		if in.Stability != nil && !in.Stability.holds(s, out.Masks) {
			best := Best(ious[1:]) + 1
			mask(best, out.Masks)
			out.IoU = ious[best : best+1]
		}
	}
	s.Keep(out.Masks, out.Tokens)
	return out, s.Err()
}

// holds reports whether a mask [1, h, w] of logits is stable.
func (t Stability) holds(s *kernels.Scope, mask *kernels.Tensor) bool {
	counts := s.New(kernels.I32, 1, 2)
	s.Do(kernels.CountAbove{X: mask.Reshape(1, mask.Len()), Thresholds: []float32{t.Delta, -t.Delta}, Y: counts})
	n := s.ReadInts(counts)
	return n[1] == 0 && 1 >= t.Thresh || n[1] > 0 && float32(n[0])/float32(n[1]) >= t.Thresh
}

// Best returns the index of the first maximum.
func Best[T ~float32 | ~float64](v []T) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}

// MaskOutput takes the user's own mask as the answer: mask is f32 {0,1} [S, S]. low is its logits,
// +-10, reduced to [S/4, S/4]. dec is the decoder's run on the mask as a prompt, on features
// without any memory; only its token and object logit are meant for use, to make the object
// pointer. The caller frees low and dec's tensors.
func (m *Model) MaskOutput(f Features, mask *kernels.Tensor) (low *kernels.Tensor, dec Decoded, err error) {
	size, side := m.cfg.ImageSize, m.cfg.MaskSide()
	if err := shaped("mask prompt", mask, kernels.F32, size, size); err != nil {
		return nil, Decoded{}, err
	}
	if err := m.shapedFeatures(f); err != nil {
		return nil, Decoded{}, fmt.Errorf("mask prompt: %w", err)
	}
	if m.maskPrompt.w == nil {
		return nil, Decoded{}, errors.New("mask prompt: the network makes no object pointers (use_obj_ptrs_in_encoder)")
	}
	s := kernels.NewScope(m.dev)
	defer s.Close()
	high := s.F32(1, size, size)
	s.Do(kernels.Activate{X: mask, Scale: 20, Bias: -10, Y: high})
	low = s.Result(kernels.F32, side, side)
	s.Do(kernels.Resize{X: high, Y: low.Reshape(1, side, side), Antialias: true})
	s.Free(high)
	prompt := m.maskPrompt.apply(s, mask.Reshape(1, size, size, 1)) // [1, S/4, S/4, 1]
	if err := s.Err(); err != nil {
		return nil, Decoded{}, fmt.Errorf("mask prompt: %w", err)
	}
	dec, err = m.Decode(DecodeInput{F: f, Conditioned: f.F2.Reshape(m.hw(), m.cfg.Dim()), MaskLogits: prompt.Reshape(side, side)})
	if err != nil {
		return nil, Decoded{}, fmt.Errorf("mask prompt: %w", err)
	}
	s.Keep(low)
	return low, dec, nil
}

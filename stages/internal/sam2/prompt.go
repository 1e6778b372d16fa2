package sam2

import (
	"fmt"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// The prompt encoder. Points, and box corners as points labelled 2 and 3, become tokens: a Fourier
// encoding of the pixel's centre plus an embedding of the label. A padding token always follows the
// points, and without any point there are two of them. A mask prompt becomes a dense map that is
// added to the image features; without one, a learned vector is added everywhere. Tokens are few,
// so they are made on the host.

// PointPrompt is a click or a corner of a box. For the network its place is in pixels of the S x S
// image.
type PointPrompt struct {
	X, Y  float32
	Label int
}

// The labels of points.
const (
	OffObject      = iota // a click
	OnObject              // a click
	BoxTopLeft            // a corner of a box
	BoxBottomRight        // the other
)

// promptEncoder holds its weights. Vectors of d floats stay on the host.
type promptEncoder struct {
	size      float32      // S
	gaussian  []float32    // [2, d/2]
	labels    [4][]float32 // by point label
	notAPoint []float32
	densePE   *kernels.Tensor // [hw, d]: the Fourier encoding of the map's pixel centres
	noMask    *kernels.Tensor // [d]
	convs     [3]conv         // of the mask prompt: 2x2 stride 2, twice, then 1x1
	norms     [2]norm
}

func (b *binder) promptEncoder(c Config) (p promptEncoder) {
	const name = "sam_prompt_encoder."
	d := c.Dim()
	p.size = float32(c.ImageSize)
	p.gaussian = b.host(name+"pe_layer.positional_encoding_gaussian_matrix", 2, d/2)
	for i := range p.labels {
		p.labels[i] = b.host(index(name+"point_embeddings", i)+".weight", 1, d)
	}
	p.notAPoint = b.host(name+"not_a_point_embed.weight", 1, d)
	p.convs[0] = b.conv(name+"mask_downscaling.0", 4, 1, 2, 2, 0)
	p.norms[0] = b.norm(name+"mask_downscaling.1", 4, 1e-6)
	p.convs[1] = b.conv(name+"mask_downscaling.3", 16, 4, 2, 2, 0)
	p.norms[1] = b.norm(name+"mask_downscaling.4", 16, 1e-6)
	p.convs[2] = b.conv(name+"mask_downscaling.6", d, 16, 1, 1, 0)
	p.noMask = b.vector(name+"no_mask_embed.weight", 1, d)
	if b.dev != nil {
		p.densePE = b.upload(fourierMap(p.gaussian, c.Side()), c.Side()*c.Side(), d)
	}
	return p
}

// tokens returns the prompt tokens, each of d floats, one after the other.
func (p *promptEncoder) tokens(points []PointPrompt) ([]float32, error) {
	var out []float32
	for i, pt := range points {
		if pt.Label < 0 || pt.Label >= len(p.labels) {
			return nil, fmt.Errorf("point %d has label %d, want 0 to 3", i, pt.Label)
		}
		t := fourier(p.gaussian, (pt.X+0.5)/p.size, (pt.Y+0.5)/p.size)
		for c, e := range p.labels[pt.Label] {
			t[c] += e
		}
		out = append(out, t...)
	}
	if len(points) == 0 {
		out = append(out, p.notAPoint...)
	}
	return append(out, p.notAPoint...), nil
}

// source returns what the decoder attends to, [hw, d]: the conditioned features plus the mask
// prompt [S/4, S/4] of logits, or plus the embedding of no mask when it is nil.
func (p *promptEncoder) source(s *kernels.Scope, conditioned, logits *kernels.Tensor) *kernels.Tensor {
	if logits == nil {
		return add(s, conditioned, p.noMask)
	}
	x := logits.Reshape(1, logits.Dim(0), logits.Dim(1), 1)
	for i, n := range p.norms {
		x = n.over(s, p.convs[i].apply(s, x), kernels.GELU)
	}
	return p.convs[2].linear.into(s, x.Reshape(x.Rows(), x.Dim(-1)), kernels.None, conditioned, s.F32(conditioned.Shape...))
}

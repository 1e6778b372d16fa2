package sam2

import (
	"fmt"
	"slices"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// The neck is a feature pyramid of 1x1 convolutions. Level 3 (stage 4) is dropped after it has been
// added, doubled, to level 2 (stage 3): the vision feature F2. Levels 1 and 0 receive nothing from
// above and are read only by the mask decoder's conv_s1 and conv_s0, 1x1 convolutions too, so each
// pair is one map: W = Ws Wn, b = Ws bn + bs.

// Features is what the encoder makes of one image. S is Config.ImageSize, d is Config.Dim.
type Features struct {
	F0 *kernels.Tensor // f32 [S/4, S/4, d/8]
	F1 *kernels.Tensor // f32 [S/8, S/8, d/4]
	F2 *kernels.Tensor // f32 [S/16, S/16, d], the vision feature
}

// All returns the maps, the finest first.
func (f *Features) All() []*kernels.Tensor { return []*kernels.Tensor{f.F0, f.F1, f.F2} }

// neck holds the weights of the pyramid.
type neck struct {
	level0, level1 linear // stage 1 to F0, stage 2 to F1
	level2, level3 linear // stage 3 and stage 4 to d channels
	topDown        bool   // level 2 receives level 3
}

func (b *binder) neck(c Config) (n neck) {
	cfg := c.ImageEncoder.Neck
	d, channels := c.Dim(), cfg.BackboneChannelList
	lateral := func(i int) string { return index("image_encoder.neck.convs", i) + ".conv" }
	n.level3 = b.conv(lateral(0), d, channels[0], 1, 1, 0).linear
	n.level2 = b.conv(lateral(1), d, channels[1], 1, 1, 0).linear
	n.level1 = b.composed("sam_mask_decoder.conv_s1", lateral(2), d/4, d, channels[2])
	n.level0 = b.composed("sam_mask_decoder.conv_s0", lateral(3), d/8, d, channels[3])
	n.topDown = slices.Contains(cfg.FPNTopDownLevels, 2)
	return n
}

// composed binds two 1x1 convolutions, outer [out, mid] after inner [mid, in], as the one map [out,
// in].
func (b *binder) composed(outer, inner string, out, mid, in int) linear {
	wo, bo := b.values(outer+".weight", out, mid, 1, 1), b.values(outer+".bias", out)
	wi, bi := b.values(inner+".weight", mid, in, 1, 1), b.values(inner+".bias", mid)
	w, bias := compose(wo, bo, wi, bi)
	return linear{b.pack(w, out, in), b.upload(bias, out)}
}

// Encode runs the image encoder on images f32 [S, S, 3] as Preprocess makes them. The features of
// an image do not depend on the others. The caller frees them.
func (m *Model) Encode(images []*kernels.Tensor) ([]Features, error) {
	s := kernels.NewScope(m.dev)
	defer s.Close()
	size := m.cfg.ImageSize
	n := len(images)
	out := make([]Features, n)
	if n == 0 {
		return out, nil
	}
	// Stages 1 and 2 have enough tokens in one image to fill a device, and the largest temporaries:
	// image by image.
	mid := s.F32(n, size/8, size/8, m.neck.level1In())
	for i, image := range images {
		if err := shaped("encode: image", image, kernels.F32, size, size, 3); err != nil {
			return nil, err
		}
		x := m.trunk.stage(s, 0, m.trunk.embed(s, image))
		out[i].F0 = m.neck.level0.into(s, x, kernels.None, nil, s.Result(kernels.F32, size/4, size/4, m.neck.level0.out()))
		x = m.trunk.stage(s, 1, x)
		out[i].F1 = m.neck.level1.into(s, x, kernels.None, nil, s.Result(kernels.F32, size/8, size/8, m.neck.level1.out()))
		copyTo(s, mid.Index(i), x)
		s.Free(x)
	}
	x := m.trunk.stage(s, 2, mid)
	level2 := m.neck.level2.apply(s, x, kernels.None) // [n, S/16, S/16, d]
	x = m.trunk.stage(s, 3, x)
	level3 := m.neck.level3.apply(s, x, kernels.None) // [n, S/32, S/32, d]
	for i := range out {
		f2 := s.Result(kernels.F32, level2.Shape[1:]...)
		if m.neck.topDown {
			s.Do(kernels.UpsampleAdd{X: level2.Slice(i, i+1), Top: level3.Slice(i, i+1), Y: f2.Reshape(append([]int{1}, f2.Shape...)...)})
		} else {
			copyTo(s, f2, level2.Index(i))
		}
		out[i].F2 = f2
	}
	for _, f := range out {
		s.Keep(f.F0, f.F1, f.F2)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return out, nil
}

// level1In returns the channels of stage 2.
func (n *neck) level1In() int { return n.level1.w.Dim(1) }

package sam2

import (
	"fmt"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// The memory encoder. A mask, brought to [0,1] and scaled, is reduced sixteenfold by strided
// convolutions and added to the projected vision feature; ConvNeXt blocks fuse the two, and a last
// projection makes the memory. A memory is rounded to bfloat16, as the reference stores it.

// memoryEncoder holds its weights.
type memoryEncoder struct {
	scale, bias float32
	down        []conv // each followed by its norm and GELU
	downNorm    []norm
	mask, pix   linear // 1x1 on the reduced mask, and on the vision feature
	fuser       []fuserBlock
	out         linear
	occluded    *kernels.Tensor // [m], added where no object is seen; nil in SAM 2.0
}

// fuserBlock is y += gamma * MLP(norm(depthwise(y))), gamma folded into the MLP.
type fuserBlock struct {
	w, b   *kernels.Tensor // [k, k, d], [d]
	kernel int
	norm   norm
	mlp    mlp
}

func (b *binder) memoryEncoder(c Config) (e memoryEncoder) {
	const name = "memory_encoder."
	cfg, d := c.MemoryEncoder, c.Dim()
	e.scale, e.bias = float32(c.SigmoidScaleForMemEnc), float32(c.SigmoidBiasForMemEnc)
	s, in := cfg.MaskDownsampler, 1
	for total, i := 1, 0; total < stride; total, i = total*s.Stride, i+3 {
		out := in * s.Stride * s.Stride
		e.down = append(e.down, b.conv(index(name+"mask_downsampler.encoder", i), out, in, s.KernelSize, s.Stride, s.Padding))
		e.downNorm = append(e.downNorm, b.norm(index(name+"mask_downsampler.encoder", i+1), out, 1e-6))
		in = out
	}
	e.mask = b.conv(index(name+"mask_downsampler.encoder", 3*len(e.down)), d, in, 1, 1, 0).linear
	e.pix = b.conv(name+"pix_feat_proj", d, d, 1, 1, 0).linear
	for i := range cfg.Fuser.NumLayers {
		e.fuser = append(e.fuser, b.fuserBlock(index(name+"fuser.layers", i), cfg.Fuser.Layer, d))
	}
	if cfg.OutDim != d {
		e.out = b.conv(name+"out_proj", cfg.OutDim, d, 1, 1, 0).linear
	}
	if c.NoObjEmbedSpatial {
		e.occluded = b.vector("no_obj_embed_spatial", 1, cfg.OutDim)
	}
	return e
}

func (b *binder) fuserBlock(name string, cfg FuserLayerConfig, d int) fuserBlock {
	k := cfg.KernelSize
	f := fuserBlock{kernel: k}
	f.w = b.upload(transpose(b.values(name+".dwconv.weight", d, 1, k, k), d, k*k), k, k, d)
	f.b = b.vector(name+".dwconv.bias", d)
	f.norm = b.norm(name+".norm", d, 1e-6)
	f.mlp = mlp{layers: []linear{b.linear(name+".pwconv1", 4*d, d), {}}, act: kernels.GELU}
	w, bias := b.values(name+".pwconv2.weight", d, 4*d), b.values(name+".pwconv2.bias", d)
	if cfg.LayerScaleInitValue > 0 {
		scaleRows(b.values(name+".gamma", d), w, bias)
	}
	f.mlp.layers[1] = linear{b.pack(w, d, 4*d), b.upload(bias, d)}
	return f
}

// EncodeMemory makes a memory, bf16 [hw, m], of the raw vision feature f2 and low-resolution mask
// logits [S/4, S/4]. binarize takes the mask hard, logit > 0, instead of by the sigmoid; occluded
// says that no object was seen. The caller frees the memory.
func (m *Model) EncodeMemory(f2, mask *kernels.Tensor, binarize, occluded bool) (*kernels.Tensor, error) {
	side := m.cfg.MaskSide()
	if err := m.shapedVision(f2); err != nil {
		return nil, fmt.Errorf("memory encoder: %w", err)
	}
	if err := shaped("memory encoder: mask", mask, kernels.F32, side, side); err != nil {
		return nil, err
	}
	s := kernels.NewScope(m.dev)
	defer s.Close()
	fine := m.memory.encode(s, m.cfg, f2, mask, binarize, occluded)
	out := copyTo(s, s.Result(kernels.BF16, fine.Shape...), fine)
	s.Keep(out)
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("memory encoder: %w", err)
	}
	return out, nil
}

// encode returns the memory before it is rounded, f32 [hw, m].
func (e *memoryEncoder) encode(s *kernels.Scope, c Config, f2, mask *kernels.Tensor, binarize, occluded bool) *kernels.Tensor {
	size, side := c.ImageSize, c.Side()
	y := e.pix.apply(s, f2.Reshape(1, side, side, c.Dim()), kernels.None) // first, so that what outlives the mask's maps lies before them
	high := s.F32(1, size, size)
	s.Do(kernels.Resize{X: mask.Reshape(append([]int{1}, mask.Shape...)...), Y: high})
	act := kernels.Sigmoid
	if binarize {
		act = kernels.Step
	}
	s.Do(kernels.Activate{X: high, Act: act, Scale: e.scale, Bias: e.bias, Y: high})

	x := high.Reshape(1, size, size, 1)
	for i, down := range e.down {
		z := down.apply(s, x) // half the side, four times the channels
		s.Free(x, high)
		x = e.downNorm[i].over(s, z, kernels.GELU)
	}
	e.mask.add(s, x, y) // [1, S/16, S/16, d]
	s.Free(x)
	for i := range e.fuser {
		e.fuser[i].apply(s, y)
	}
	y = y.Reshape(side*side, c.Dim())
	var lost *kernels.Tensor
	if occluded {
		lost = e.occluded
	}
	switch {
	case e.out.w != nil:
		return e.out.into(s, y, kernels.None, lost, s.F32(side*side, c.MemDim()))
	case lost != nil:
		return add(s, y, lost)
	}
	return y
}

// apply runs the block on y [1, H, W, d] in place.
func (f *fuserBlock) apply(s *kernels.Scope, y *kernels.Tensor) {
	h := s.F32(y.Shape...)
	s.Do(kernels.DepthwiseConv{X: y, W: f.w, Bias: f.b, Kernel: f.kernel, Y: h})
	f.norm.over(s, h, kernels.None)
	f.mlp.into(s, h, kernels.None, y, y)
	s.Free(h)
}

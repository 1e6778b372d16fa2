package sam2

import "github.com/seed49bbd0e6/tachi/kernels"

// Hiera, the trunk of the image encoder: patches, then blocks of attention and MLP in four stages.
// Attention is local to windows, but for a few global blocks in stage 3. The first block of stages
// 2, 3 and 4 doubles the width and halves the map: it max-pools its queries, and its shortcut.

// trunk holds the weights of Hiera.
type trunk struct {
	patch  conv
	pos    *kernels.Tensor // [S/4, S/4, C]: background and window positions, the same for every image
	stages [4][]hieraBlock
}

// hieraBlock holds the weights of one block.
type hieraBlock struct {
	block
	norm1, norm2 norm
	qkv, proj    linear
	shortcut     linear // of pooling blocks
	mlp          mlp
}

func (b *binder) trunk(c Config) (t trunk) {
	const name = "image_encoder.trunk."
	cfg := c.ImageEncoder.Trunk
	h, w, w0 := cfg.PosEmbedBkgSize[0], cfg.PosEmbedBkgSize[1], cfg.WindowSpec[0]
	side := c.MaskSide()
	bkg := b.values(name+"pos_embed", 1, cfg.EmbedDim, h, w)
	window := b.values(name+"pos_embed_window", 1, cfg.EmbedDim, w0, w0)
	t.pos = b.upload(positionMap(bkg, h, w, window, w0, side), side, side, cfg.EmbedDim)
	t.patch = b.conv(name+"patch_embed.proj", cfg.EmbedDim, 3, 7, 4, 3)
	for i, plan := range cfg.blocks() {
		t.stages[plan.stage] = append(t.stages[plan.stage], b.hieraBlock(index(name+"blocks", i), plan))
	}
	return t
}

func (b *binder) hieraBlock(name string, plan block) hieraBlock {
	k := hieraBlock{block: plan}
	k.norm1 = b.norm(name+".norm1", plan.in, 1e-6)
	k.qkv = b.linear(name+".attn.qkv", 3*plan.out, plan.in)
	k.proj = b.linear(name+".attn.proj", plan.out, plan.out)
	k.norm2 = b.norm(name+".norm2", plan.out, 1e-6)
	k.mlp = b.mlp(name+".mlp", kernels.GELU, plan.out, 4*plan.out, plan.out)
	if plan.in != plan.out {
		k.shortcut = b.linear(name+".proj", plan.out, plan.in)
	}
	return k
}

// embed makes patches of an image [S, S, 3] and adds their positions: [1, S/4, S/4, C].
func (t *trunk) embed(s *kernels.Scope, image *kernels.Tensor) *kernels.Tensor {
	x := s.F32(append([]int{1}, t.pos.Shape...)...)
	t.patch.into(s, image.Reshape(append([]int{1}, image.Shape...)...), t.pos, x)
	return x
}

// stage runs the blocks of stage i on a map [B, H, W, C] and consumes it.
func (t *trunk) stage(s *kernels.Scope, i int, x *kernels.Tensor) *kernels.Tensor {
	for _, b := range t.stages[i] {
		x = b.apply(s, x)
	}
	return x
}

// apply runs one block on a map [B, H, W, in], consumes it, and returns [B, H, W, out], halved by
// pooling. What a window makes depends on nothing outside it, so a large map goes through the block
// in bands of whole windows: what lies between its layers is then a part of what it would be for
// the whole map, and still in a cache when it is read.
func (k *hieraBlock) apply(s *kernels.Scope, x *kernels.Tensor) *kernels.Tensor {
	y, step := x, 1
	if k.pool {
		y, step = s.F32(x.Dim(0), x.Dim(1)/2, x.Dim(2)/2, k.out), 2
	}
	for _, b := range k.bands(x) {
		k.into(s, rowsOf(x, b[0], b[1]), rowsOf(y, b[0]/step, b[1]/step))
	}
	if y != x {
		s.Free(x)
	}
	return y
}

// bandElements is how many elements the widest layer of a band has at most, about.
const bandElements = 16 << 20

// bands cuts the rows of a map into some of whole windows.
func (k *hieraBlock) bands(x *kernels.Tensor) (bands [][2]int) {
	h := x.Dim(1)
	if k.window == 0 || x.Dim(0) > 1 {
		return [][2]int{{0, h}}
	}
	windows, widest := (h+k.window-1)/k.window, x.Rows()*4*k.out
	if k.pool {
		widest = x.Rows() * 3 * k.out // only what is before the pooling has all rows
	}
	n := min(windows, (widest+bandElements-1)/bandElements)
	for i := range n {
		bands = append(bands, [2]int{i * windows / n * k.window, min((i+1)*windows/n*k.window, h)})
	}
	return bands
}

// rowsOf returns rows lo to hi of the maps [B, H, W, C]: of one map, unless they are all.
func rowsOf(x *kernels.Tensor, lo, hi int) *kernels.Tensor {
	if lo == 0 && hi == x.Dim(1) {
		return x
	}
	return x.Index(0).Slice(lo, hi).Reshape(1, hi-lo, x.Dim(2), x.Dim(3))
}

// into runs the block on x and writes the result to y, which is x where the block does not pool.
func (k *hieraBlock) into(s *kernels.Scope, x, y *kernels.Tensor) {
	n := k.norm1.operand(s, x)
	if k.pool {
		wide := k.shortcut.apply(s, n, kernels.None) // of the normalised input, not of x
		s.Do(kernels.MaxPool{X: wide, Y: y})
		s.Free(wide)
	}
	qkv := k.qkv.operand(s, n, kernels.None, 3*k.heads) // [B, H, W, 3*out], before pooling
	s.Free(n)
	a := s.Operand(k.heads, y.Shape...)
	s.Do(kernels.WindowAttention{QKV: qkv, PadQKV: k.qkv.b, Heads: k.heads, Window: k.window, Pool: k.pool, Y: a})
	s.Free(qkv)
	k.proj.add(s, a, y)
	s.Free(a)

	n = k.norm2.operand(s, y)
	k.mlp.into(s, n, kernels.None, y, y)
	s.Free(n)
}

package sam2

import (
	"fmt"
	"slices"
	"strings"
)

// What a configuration must fulfil: that its parts agree, and that this implementation has what it
// asks for. Each rule is a line that names the key and says what is wanted.

// Problem is one mistake in a configuration.
type Problem struct {
	Key  string // e.g. "image_encoder.trunk.embed_dim", or that of the table which is wrong as a whole
	Text string // the whole sentence, the key in front
}

// Problems are all mistakes of a configuration, as one error.
type Problems []Problem

func (p Problems) Error() string {
	var lines []string
	for _, x := range p {
		lines = append(lines, x.Text)
	}
	return strings.Join(lines, "\n")
}

// add records a mistake. The format goes on behind the key.
func (p *Problems) add(key, format string, args ...any) {
	*p = append(*p, Problem{key, key + fmt.Sprintf(format, args...)})
}

// want records a mistake unless ok.
func (p *Problems) want(ok bool, key, format string, args ...any) {
	if !ok {
		p.add(key, format, args...)
	}
}

// agree wants a value to be the one that others, or this implementation, ask for.
func (p *Problems) agree(key string, got, wanted any) {
	p.want(fmt.Sprint(got) == fmt.Sprint(wanted), key, " = %v, want %v", got, wanted)
}

func (p *Problems) count(key string, n int) {
	p.want(1 <= n && n <= 1000, key, " = %d, want 1 to 1000", n)
}

func (p *Problems) width(key string, n int) {
	p.want(1 <= n && n <= 1<<16, key, " = %d, want 1 to 65536", n)
}

func (p *Problems) positive(key string, x float64) {
	p.want(x > 0, key, " = %v, want more than 0", x)
}

// Check returns every inconsistency and every setting that this implementation does not have. The
// error is of type Problems.
func (c Config) Check() error {
	var p Problems
	p.tracking(c)
	p.trunk(c)
	p.neck(c)
	p.memoryAttention(c)
	p.memoryEncoder(c)
	p.width("sam_mask_decoder.mlp_dim", c.MaskDecoder.MLPDim)
	p.width("sam_mask_decoder.iou_head_hidden_dim", c.MaskDecoder.IoUHeadHiddenDim)
	if len(p) > 0 {
		return p
	}
	return nil
}

// tracking checks the keys outside the modules.
func (p *Problems) tracking(c Config) {
	p.want(c.ImageSize > 0 && c.ImageSize%32 == 0 && c.ImageSize <= 4096,
		"image_size", " = %d, want a multiple of 32 up to 4096", c.ImageSize)
	p.count("num_maskmem", c.NumMaskmem)
	p.agree("use_high_res_features_in_sam", c.UseHighResFeaturesInSAM, true)
	p.agree("directly_add_no_mem_embed", c.DirectlyAddNoMemEmbed, true)
	p.agree("soft_no_obj_ptr", c.SoftNoObjPtr, false)
	p.agree("non_overlap_masks_for_mem_enc", c.NonOverlapMasksForMemEnc, false)
	p.want(c.PredObjScores || !c.FixedNoObjPtr, "fixed_no_obj_ptr", " needs pred_obj_scores")
	p.want(c.UseObjPtrsInEncoder || !c.FixedNoObjPtr, "fixed_no_obj_ptr", " needs use_obj_ptrs_in_encoder")
	p.want(c.AddTposEncToObjPtrs || !c.ProjTposEncInObjPtrs, "proj_tpos_enc_in_obj_ptrs", " needs add_tpos_enc_to_obj_ptrs")
}

// trunk checks Hiera, and that the neck knows its widths.
func (p *Problems) trunk(c Config) {
	const key = "image_encoder.trunk."
	t := c.ImageEncoder.Trunk
	p.agree("image_encoder.scalp", c.ImageEncoder.Scalp, 1)
	p.agree(key+"q_pool", t.QPool, 3)
	p.agree(key+"q_stride", t.QStride, []int{2, 2})
	p.agree(key+"dim_mul", t.DimMul, 2.0)
	p.agree(key+"head_mul", t.HeadMul, 2.0)
	p.agree(key+"return_interm_layers", t.ReturnIntermLayer, true)
	p.want(len(t.PosEmbedBkgSize) == 2 && slices.Min(t.PosEmbedBkgSize) > 0,
		key+"window_pos_embed_bkg_spatial_size", " = %v, want two sizes", t.PosEmbedBkgSize)
	p.want(t.EmbedDim > 0 && t.NumHeads > 0 && t.EmbedDim%max(t.NumHeads, 1) == 0,
		key+"embed_dim", " = %d is not a multiple of num_heads = %d", t.EmbedDim, t.NumHeads)
	p.width(key+"embed_dim", t.EmbedDim)
	stages := len(t.Stages) == 4 && slices.Min(t.Stages) > 0 && slices.Max(t.Stages) <= 1000
	p.want(stages, key+"stages", " = %v, want four counts of blocks", t.Stages)
	windows := len(t.WindowSpec) == 4 && slices.Min(t.WindowSpec) > 0
	p.want(windows, key+"window_spec", " = %v, want four window sides", t.WindowSpec)
	if !stages || !windows {
		return
	}
	p.want(c.MaskSide()%t.WindowSpec[0] == 0,
		key+"window_spec", "[0] = %d does not divide image_size/4 = %d", t.WindowSpec[0], c.MaskSide())
	for i, b := range t.blocks() {
		p.want(!b.pool || b.window%2 == 0, key+"window_spec", ": block %d pools inside windows of odd side %d", i, b.window)
	}
	p.agree("image_encoder.neck.backbone_channel_list", c.ImageEncoder.Neck.BackboneChannelList, t.channels())
}

// neck checks the feature pyramid, and the widths that everything after it shares.
func (p *Problems) neck(c Config) {
	const key = "image_encoder.neck."
	n, d, m := c.ImageEncoder.Neck, c.Dim(), c.MemDim()
	for _, l := range n.FPNTopDownLevels {
		p.want(l == 2 || l == 3, key+"fpn_top_down_levels", " = %v: only levels 2 and 3 can be top-down", n.FPNTopDownLevels)
	}
	p.agree(key+"fpn_interp_model", n.FPNInterpModel, "nearest")
	p.agree(key+"fuse_type", n.FuseType, "sum")
	p.width(key+"d_model", d)
	p.want(d%32 == 0, key+"d_model", " = %d, want a multiple of 32", d)
	p.want(m > 0 && m%4 == 0 && d%max(m, 1) == 0,
		"memory_encoder.out_dim", " = %d, want a multiple of 4 that divides d_model = %d", m, d)
	p.sine(key+"position_encoding", n.PositionEncoding, d)
	p.sine("memory_encoder.position_encoding", c.MemoryEncoder.PositionEncoding, m)
}

func (p *Problems) sine(key string, s SineConfig, feats int) {
	p.agree(key+".num_pos_feats", s.NumPosFeats, feats)
	p.agree(key+".normalize", s.Normalize, true)
	p.positive(key+".temperature", s.Temperature)
}

func (p *Problems) memoryAttention(c Config) {
	const key = "memory_attention."
	a, d := c.MemoryAttention, c.Dim()
	p.agree(key+"d_model", a.DModel, d)
	p.agree(key+"layer.d_model", a.Layer.DModel, d)
	p.count(key+"num_layers", a.NumLayers)
	p.width(key+"layer.dim_feedforward", a.Layer.DimFeedforward)
	p.want(a.Layer.Activation == "relu" || a.Layer.Activation == "gelu",
		key+"layer.activation", " = %q, want relu or gelu", a.Layer.Activation)
	p.rope(key+"layer.self_attention", a.Layer.SelfAttention, d, d)
	p.rope(key+"layer.cross_attention", a.Layer.CrossAttention, d, c.MemDim())
	p.agree(key+"layer.cross_attention.rope_k_repeat", a.Layer.CrossAttention.RopeKRepeat, true)
}

func (p *Problems) rope(key string, r RoPEConfig, d, kv int) {
	p.agree(key+".embedding_dim", r.EmbeddingDim, d)
	p.agree(key+".kv_in_dim", r.KVInDim, kv)
	p.agree(key+".num_heads", r.NumHeads, 1)
	p.agree(key+".downsample_rate", r.DownsampleRate, 1)
	p.positive(key+".rope_theta", r.RopeTheta)
}

func (p *Problems) memoryEncoder(c Config) {
	const key = "memory_encoder."
	s := c.MemoryEncoder.MaskDownsampler
	p.want(s.Stride == 2 || s.Stride == 4 || s.Stride == 16, key+"mask_downsampler.stride", " = %d, want 2, 4 or 16", s.Stride)
	p.want(s.Padding >= 0 && s.KernelSize > 2*s.Padding && s.KernelSize-2*s.Padding <= s.Stride,
		key+"mask_downsampler", ": kernel_size = %d with padding = %d does not divide the side by stride = %d",
		s.KernelSize, s.Padding, s.Stride)
	p.count(key+"fuser.num_layers", c.MemoryEncoder.Fuser.NumLayers)
	f := c.MemoryEncoder.Fuser.Layer
	p.agree(key+"fuser.layer.dim", f.Dim, c.Dim())
	p.agree(key+"fuser.layer.use_dwconv", f.UseDWConv, true)
	p.want(f.KernelSize%2 == 1 && f.Padding == f.KernelSize/2,
		key+"fuser.layer", ": kernel_size = %d with padding = %d changes the side", f.KernelSize, f.Padding)
}

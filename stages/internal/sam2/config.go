package sam2

import "slices"

// Config describes one network. Its fields are the keys of the reference's YAML files, nested as
// there, and their tags are the keys' names: ImageEncoder.Trunk.EmbedDim is
// "image_encoder.trunk.embed_dim". The few fields under sam_mask_decoder are constants in the
// reference's code. Training-only keys (dropout, drop path, layer scale initialisation) are
// accepted and change nothing.
type Config struct {
	Name string // of the variant, "2.0" appended for SAM 2.0; for messages, not a key

	ImageSize  int `key:"image_size"`  // S: the network sees S x S pixels
	NumMaskmem int `key:"num_maskmem"` // memories attended to, the prompted frame's included

	SigmoidScaleForMemEnc        float64 `key:"sigmoid_scale_for_mem_enc"`
	SigmoidBiasForMemEnc         float64 `key:"sigmoid_bias_for_mem_enc"`
	UseMaskInputAsOutput         bool    `key:"use_mask_input_as_output_without_sam"`
	DirectlyAddNoMemEmbed        bool    `key:"directly_add_no_mem_embed"`
	NoObjEmbedSpatial            bool    `key:"no_obj_embed_spatial"`
	UseHighResFeaturesInSAM      bool    `key:"use_high_res_features_in_sam"`
	MultimaskOutputInSAM         bool    `key:"multimask_output_in_sam"`
	MultimaskOutputForTracking   bool    `key:"multimask_output_for_tracking"`
	MultimaskMinPtNum            int     `key:"multimask_min_pt_num"`
	MultimaskMaxPtNum            int     `key:"multimask_max_pt_num"`
	UseMultimaskTokenForObjPtr   bool    `key:"use_multimask_token_for_obj_ptr"`
	IoUPredictionUseSigmoid      bool    `key:"iou_prediction_use_sigmoid"`
	UseObjPtrsInEncoder          bool    `key:"use_obj_ptrs_in_encoder"`
	AddTposEncToObjPtrs          bool    `key:"add_tpos_enc_to_obj_ptrs"`
	ProjTposEncInObjPtrs         bool    `key:"proj_tpos_enc_in_obj_ptrs"`
	UseSignedTposEncToObjPtrs    bool    `key:"use_signed_tpos_enc_to_obj_ptrs"`
	OnlyObjPtrsInThePastForEval  bool    `key:"only_obj_ptrs_in_the_past_for_eval"`
	MaxObjPtrsInEncoder          int     `key:"max_obj_ptrs_in_encoder"`
	MaxCondFramesInAttn          int     `key:"max_cond_frames_in_attn"`
	MemoryTemporalStrideForEval  int     `key:"memory_temporal_stride_for_eval"`
	NonOverlapMasksForMemEnc     bool    `key:"non_overlap_masks_for_mem_enc"`
	BinarizeMaskFromPtsForMemEnc bool    `key:"binarize_mask_from_pts_for_mem_enc"`
	PredObjScores                bool    `key:"pred_obj_scores"`
	PredObjScoresMLP             bool    `key:"pred_obj_scores_mlp"`
	FixedNoObjPtr                bool    `key:"fixed_no_obj_ptr"`
	SoftNoObjPtr                 bool    `key:"soft_no_obj_ptr"`
	UseMLPForObjPtrProj          bool    `key:"use_mlp_for_obj_ptr_proj"`
	CompileImageEncoder          bool    `key:"compile_image_encoder"` // means nothing here

	ImageEncoder    ImageEncoderConfig    `key:"image_encoder"`
	MemoryAttention MemoryAttentionConfig `key:"memory_attention"`
	MemoryEncoder   MemoryEncoderConfig   `key:"memory_encoder"`
	MaskDecoder     MaskDecoderConfig     `key:"sam_mask_decoder"`
}

// ImageEncoderConfig is the trunk (Hiera) and the neck (a feature pyramid).
type ImageEncoderConfig struct {
	Scalp int         `key:"scalp"` // coarsest levels dropped after the neck
	Trunk TrunkConfig `key:"trunk"`
	Neck  NeckConfig  `key:"neck"`
}

// TrunkConfig describes Hiera. Width and heads double at the first block of stages 2, 3 and 4,
// where the map halves.
type TrunkConfig struct {
	EmbedDim          int     `key:"embed_dim"` // channels of stage 1
	NumHeads          int     `key:"num_heads"` // of stage 1
	DropPathRate      float64 `key:"drop_path_rate"`
	QPool             int     `key:"q_pool"`
	QStride           []int   `key:"q_stride"`
	Stages            []int   `key:"stages"` // blocks per stage
	DimMul            float64 `key:"dim_mul"`
	HeadMul           float64 `key:"head_mul"`
	PosEmbedBkgSize   []int   `key:"window_pos_embed_bkg_spatial_size"`
	WindowSpec        []int   `key:"window_spec"`       // window side per stage
	GlobalAttBlocks   []int   `key:"global_att_blocks"` // blocks that attend to the whole map
	ReturnIntermLayer bool    `key:"return_interm_layers"`
}

// NeckConfig describes the feature pyramid.
type NeckConfig struct {
	PositionEncoding    SineConfig `key:"position_encoding"`
	DModel              int        `key:"d_model"`
	BackboneChannelList []int      `key:"backbone_channel_list"` // coarsest first
	FPNTopDownLevels    []int      `key:"fpn_top_down_levels"`   // levels that receive the coarser one
	FPNInterpModel      string     `key:"fpn_interp_model"`
	FuseType            string     `key:"fuse_type"`
}

// SineConfig describes a two-dimensional sine position encoding.
type SineConfig struct {
	NumPosFeats int     `key:"num_pos_feats"`
	Normalize   bool    `key:"normalize"`
	Scale       float64 `key:"scale"` // 0, the YAML's null, is 2 pi
	Temperature float64 `key:"temperature"`
}

// MemoryAttentionConfig describes the transformer that conditions a frame on the memories.
type MemoryAttentionConfig struct {
	DModel        int                        `key:"d_model"`
	PosEncAtInput bool                       `key:"pos_enc_at_input"`
	NumLayers     int                        `key:"num_layers"`
	Layer         MemoryAttentionLayerConfig `key:"layer"`
}

// MemoryAttentionLayerConfig describes one of its layers.
type MemoryAttentionLayerConfig struct {
	Activation         string     `key:"activation"` // relu or gelu
	DimFeedforward     int        `key:"dim_feedforward"`
	Dropout            float64    `key:"dropout"`
	DModel             int        `key:"d_model"`
	PosEncAtAttn       bool       `key:"pos_enc_at_attn"`
	PosEncAtCrossKeys  bool       `key:"pos_enc_at_cross_attn_keys"`
	PosEncAtCrossQuery bool       `key:"pos_enc_at_cross_attn_queries"`
	SelfAttention      RoPEConfig `key:"self_attention"`
	CrossAttention     RoPEConfig `key:"cross_attention"`
}

// RoPEConfig describes an attention with axial rotary positions.
type RoPEConfig struct {
	RopeTheta      float64 `key:"rope_theta"`
	FeatSizes      []int   `key:"feat_sizes"` // only seeds a cache in the reference: the tables follow image_size
	RopeKRepeat    bool    `key:"rope_k_repeat"`
	EmbeddingDim   int     `key:"embedding_dim"`
	NumHeads       int     `key:"num_heads"`
	DownsampleRate int     `key:"downsample_rate"`
	Dropout        float64 `key:"dropout"`
	KVInDim        int     `key:"kv_in_dim"`
}

// MemoryEncoderConfig describes what turns a mask and a vision feature into a memory.
type MemoryEncoderConfig struct {
	OutDim           int               `key:"out_dim"` // channels of a memory
	PositionEncoding SineConfig        `key:"position_encoding"`
	MaskDownsampler  DownsamplerConfig `key:"mask_downsampler"`
	Fuser            FuserConfig       `key:"fuser"`
}

// DownsamplerConfig describes the convolutions that bring a mask from S to S/16.
type DownsamplerConfig struct {
	KernelSize int `key:"kernel_size"`
	Stride     int `key:"stride"`
	Padding    int `key:"padding"`
}

// FuserConfig describes the ConvNeXt blocks of the memory encoder.
type FuserConfig struct {
	NumLayers int              `key:"num_layers"`
	Layer     FuserLayerConfig `key:"layer"`
}

// FuserLayerConfig describes one of them.
type FuserLayerConfig struct {
	Dim                 int     `key:"dim"`
	KernelSize          int     `key:"kernel_size"`
	Padding             int     `key:"padding"`
	LayerScaleInitValue float64 `key:"layer_scale_init_value"`
	UseDWConv           bool    `key:"use_dwconv"`
}

// MaskDecoderConfig holds widths that the reference fixes in its code.
type MaskDecoderConfig struct {
	MLPDim           int `key:"mlp_dim"`             // hidden width of the two-way transformer
	IoUHeadHiddenDim int `key:"iou_head_hidden_dim"` // hidden width of the IoU head
}

// stride is the network's input pixels per vision feature, along each side.
const stride = 16

// Side returns S/16, the side of the vision feature and of a memory.
func (c Config) Side() int { return c.ImageSize / stride }

// MaskSide returns S/4, the side of the low-resolution logits.
func (c Config) MaskSide() int { return c.ImageSize / 4 }

// Dim returns the channels of the vision feature.
func (c Config) Dim() int { return c.ImageEncoder.Neck.DModel }

// MemDim returns the channels of a memory.
func (c Config) MemDim() int { return c.MemoryEncoder.OutDim }

// PointerTokens returns the memory tokens that one object pointer becomes.
func (c Config) PointerTokens() int { return c.Dim() / c.MemDim() }

// block is the plan of one Hiera block.
type block struct {
	stage   int // 0 to 3
	in, out int // channels
	heads   int
	window  int // 0: global
	pool    bool
	last    bool // of its stage
}

// blocks returns the plan of the trunk. The first block of a stage still has the windows of the
// stage before it.
func (t TrunkConfig) blocks() []block {
	var plan []block
	width, heads, window := t.EmbedDim, t.NumHeads, t.WindowSpec[0]
	for stage, n := range t.Stages {
		for i := range n {
			b := block{stage: stage, in: width, window: window, last: i == n-1}
			if i == 0 && stage > 0 {
				width, heads, b.pool = 2*width, 2*heads, true
			}
			b.out, b.heads, window = width, heads, t.WindowSpec[stage]
			if slices.Contains(t.GlobalAttBlocks, len(plan)) {
				b.window = 0
			}
			plan = append(plan, b)
		}
	}
	return plan
}

// channels returns the width of each stage, coarsest first.
func (t TrunkConfig) channels() []int {
	out := make([]int, len(t.Stages))
	for i := range out {
		out[i] = t.EmbedDim << (len(out) - 1 - i)
	}
	return out
}

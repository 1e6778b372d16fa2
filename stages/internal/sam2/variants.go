package sam2

import (
	"fmt"
	"slices"
	"strings"
)

// The published variants differ only in their trunk. SAM 2.0 and 2.1 differ in three tensors that 2.1 added and the
// four flags that use them. nano is ours: the same architecture at 256 x 256 with every width cut and windows that need no
// padding, small enough to track on one core.

// trunks are the variants' trunks, with the defaults of the reference's code where its YAML files are silent.
var trunks = map[string]TrunkConfig{
	"nano":      {EmbedDim: 24, NumHeads: 1, Stages: []int{1, 2, 3, 1}, GlobalAttBlocks: []int{4, 5}, PosEmbedBkgSize: []int{7, 7}, WindowSpec: []int{8, 4, 8, 8}},
	"tiny":      {EmbedDim: 96, NumHeads: 1, Stages: []int{1, 2, 7, 2}, GlobalAttBlocks: []int{5, 7, 9}, PosEmbedBkgSize: []int{7, 7}, WindowSpec: []int{8, 4, 14, 7}},
	"small":     {EmbedDim: 96, NumHeads: 1, Stages: []int{1, 2, 11, 2}, GlobalAttBlocks: []int{7, 10, 13}, PosEmbedBkgSize: []int{7, 7}, WindowSpec: []int{8, 4, 14, 7}},
	"base_plus": {EmbedDim: 112, NumHeads: 2, Stages: []int{2, 3, 16, 3}, GlobalAttBlocks: []int{12, 16, 20}, PosEmbedBkgSize: []int{14, 14}, WindowSpec: []int{8, 4, 14, 7}},
	"large":     {EmbedDim: 144, NumHeads: 2, Stages: []int{2, 6, 36, 4}, GlobalAttBlocks: []int{23, 33, 43}, PosEmbedBkgSize: []int{7, 7}, WindowSpec: []int{8, 4, 16, 8}},
}

// sizes are the variants' names by size.
var sizes = []string{"nano", "tiny", "small", "base_plus", "large"}

// Variants returns the names that Variant knows: those of SAM 2.1 by size, then those of SAM 2.0.
func Variants() []string {
	names := slices.Clone(sizes)
	for _, n := range sizes[1:] {
		names = append(names, n+"2.0")
	}
	return names
}

// Variant returns the configuration of a named network: nano, tiny, small, base_plus or large for SAM 2.1, and
// tiny2.0 and so on for SAM 2.0.
func Variant(name string) (Config, error) {
	base, old := strings.CutSuffix(name, "2.0")
	trunk, ok := trunks[base]
	if !ok || old && base == "nano" {
		return Config{}, fmt.Errorf("no variant %q%s (there are %s)", name, suggest(name, Variants()), strings.Join(Variants(), ", "))
	}
	trunk.QPool, trunk.QStride, trunk.DimMul, trunk.HeadMul, trunk.ReturnIntermLayer = 3, []int{2, 2}, 2, 2, true

	c := common()
	c.Name = name
	c.ImageEncoder.Trunk = trunk
	if old {
		c.NoObjEmbedSpatial, c.AddTposEncToObjPtrs, c.ProjTposEncInObjPtrs, c.UseSignedTposEncToObjPtrs = false, false, false, false
	}
	if base == "nano" {
		c.ImageSize = 256
		c.ImageEncoder.Neck.DModel = 128
		c.MemoryAttention.NumLayers = 2
		c.MemoryAttention.Layer.DimFeedforward = 256
		c.MaskDecoder = MaskDecoderConfig{MLPDim: 512, IoUHeadHiddenDim: 128}
	}
	return c.Override(nil) // lets the repeated keys follow, and checks
}

// common is what the YAML files of all variants of SAM 2.1 share, and the reference's defaults behind them.
func common() Config {
	sine := SineConfig{Normalize: true, Temperature: 10000}
	rope := RoPEConfig{RopeTheta: 10000, FeatSizes: []int{64, 64}, NumHeads: 1, DownsampleRate: 1, Dropout: 0.1}
	crossRope := rope
	crossRope.RopeKRepeat = true
	return Config{
		ImageSize: 1024, NumMaskmem: 7,
		SigmoidScaleForMemEnc: 20, SigmoidBiasForMemEnc: -10,
		UseMaskInputAsOutput: true, DirectlyAddNoMemEmbed: true, NoObjEmbedSpatial: true, UseHighResFeaturesInSAM: true,
		MultimaskOutputInSAM: true, MultimaskOutputForTracking: true, MultimaskMinPtNum: 0, MultimaskMaxPtNum: 1,
		UseMultimaskTokenForObjPtr: true, IoUPredictionUseSigmoid: true,
		UseObjPtrsInEncoder: true, AddTposEncToObjPtrs: true, ProjTposEncInObjPtrs: true, UseSignedTposEncToObjPtrs: true,
		OnlyObjPtrsInThePastForEval: true, MaxObjPtrsInEncoder: 16, MaxCondFramesInAttn: -1, MemoryTemporalStrideForEval: 1,
		BinarizeMaskFromPtsForMemEnc: true, // as the reference's predictor is built
		PredObjScores:                true, PredObjScoresMLP: true, FixedNoObjPtr: true, UseMLPForObjPtrProj: true,
		ImageEncoder: ImageEncoderConfig{
			Scalp: 1,
			Neck:  NeckConfig{PositionEncoding: sine, DModel: 256, FPNTopDownLevels: []int{2, 3}, FPNInterpModel: "nearest", FuseType: "sum"},
		},
		MemoryAttention: MemoryAttentionConfig{
			PosEncAtInput: true, NumLayers: 4,
			Layer: MemoryAttentionLayerConfig{
				Activation: "relu", DimFeedforward: 2048, Dropout: 0.1, PosEncAtCrossKeys: true,
				SelfAttention: rope, CrossAttention: crossRope,
			},
		},
		MemoryEncoder: MemoryEncoderConfig{
			OutDim: 64, PositionEncoding: sine,
			MaskDownsampler: DownsamplerConfig{KernelSize: 3, Stride: 2, Padding: 1},
			Fuser:           FuserConfig{NumLayers: 2, Layer: FuserLayerConfig{KernelSize: 7, Padding: 3, LayerScaleInitValue: 1e-6, UseDWConv: true}},
		},
		MaskDecoder: MaskDecoderConfig{MLPDim: 2048, IoUHeadHiddenDim: 256},
	}
}

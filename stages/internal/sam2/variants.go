package sam2

import (
	"fmt"
	"slices"
	"strings"
)

// The published variants differ only in their trunk. SAM 2.0 and 2.1 differ in three tensors that
// 2.1 added and the four flags that use them. nano is ours: the same architecture at 256 x 256 with
// every width cut and windows that need no padding, small enough to track on one core.

// A VariantInfo is one variant. The table below is the only place that knows them: names, help
// texts, the list of official weights, detection and SAMURAI's weights follow from it.
type VariantInfo struct {
	Name     string
	Official string  // the file of the official weights of SAM 2.1; "" for weights in the program
	License  string  // of the weights
	KFWeight float64 // kf_score_weight in SAMURAI's file of this variant
	Old      bool    // the variant is of SAM 2.0 as well, under the name with 2.0 behind it

	trunk TrunkConfig
	edit  func(*Config) // what else differs from common
}

// variants are all there are, by size.
var variants = []VariantInfo{
	{Name: "nano", License: "as the program", KFWeight: 0.25,
		trunk: TrunkConfig{EmbedDim: 24, NumHeads: 1, Stages: []int{1, 2, 3, 1}, GlobalAttBlocks: []int{4, 5},
			PosEmbedBkgSize: []int{7, 7}, WindowSpec: []int{8, 4, 8, 8}},
		edit: func(c *Config) {
			c.ImageSize = 256
			c.ImageEncoder.Neck.DModel = 128
			c.MemoryAttention.NumLayers = 2
			c.MemoryAttention.Layer.DimFeedforward = 256
			c.MaskDecoder = MaskDecoderConfig{MLPDim: 512, IoUHeadHiddenDim: 128}
		}},
	{Name: "tiny", Official: "sam2.1_hiera_tiny.pt", License: "Apache-2.0", KFWeight: 0.25, Old: true,
		trunk: TrunkConfig{EmbedDim: 96, NumHeads: 1, Stages: []int{1, 2, 7, 2}, GlobalAttBlocks: []int{5, 7, 9},
			PosEmbedBkgSize: []int{7, 7}, WindowSpec: []int{8, 4, 14, 7}}},
	{Name: "small", Official: "sam2.1_hiera_small.pt", License: "Apache-2.0", KFWeight: 0.25, Old: true,
		trunk: TrunkConfig{EmbedDim: 96, NumHeads: 1, Stages: []int{1, 2, 11, 2}, GlobalAttBlocks: []int{7, 10, 13},
			PosEmbedBkgSize: []int{7, 7}, WindowSpec: []int{8, 4, 14, 7}}},
	{Name: "base_plus", Official: "sam2.1_hiera_base_plus.pt", License: "Apache-2.0", KFWeight: 0.25, Old: true,
		trunk: TrunkConfig{EmbedDim: 112, NumHeads: 2, Stages: []int{2, 3, 16, 3}, GlobalAttBlocks: []int{12, 16, 20},
			PosEmbedBkgSize: []int{14, 14}, WindowSpec: []int{8, 4, 14, 7}}},
	{Name: "large", Official: "sam2.1_hiera_large.pt", License: "Apache-2.0", KFWeight: 0.15, Old: true,
		trunk: TrunkConfig{EmbedDim: 144, NumHeads: 2, Stages: []int{2, 6, 36, 4}, GlobalAttBlocks: []int{23, 33, 43},
			PosEmbedBkgSize: []int{7, 7}, WindowSpec: []int{8, 4, 16, 8}}},
}

// old is behind the names of SAM 2.0's variants.
const old = "2.0"

// Variants returns the table: the variants of SAM 2.1 by size.
func Variants() []VariantInfo { return slices.Clone(variants) }

// VariantNames returns the names that Variant knows: those of SAM 2.1 by size, then those of SAM
// 2.0.
func VariantNames() (names []string) {
	for _, v := range variants {
		names = append(names, v.Name)
	}
	for _, v := range variants {
		if v.Old {
			names = append(names, v.Name+old)
		}
	}
	return names
}

// Embedded reports whether the weights are in the program.
func (v *VariantInfo) Embedded() bool { return v.Official == "" }

// Parameters returns how many numbers a checkpoint holds.
func (v *VariantInfo) Parameters() (n int) {
	c, err := Variant(v.Name)
	if err != nil {
		return 0
	}
	for _, t := range c.Tensors() {
		n += t.Len()
	}
	return n
}

// Bytes returns the size of the weights: 32 bits a number in the official files, 16 in the program.
func (v *VariantInfo) Bytes() int {
	if v.Embedded() {
		return 2 * v.Parameters()
	}
	return 4 * v.Parameters()
}

// FindVariant returns the variant of a name that Variant knows, nil when there is none.
func FindVariant(name string) *VariantInfo {
	base, cut := strings.CutSuffix(name, old)
	for i := range variants {
		if v := &variants[i]; v.Name == base && (v.Old || !cut) {
			return v
		}
	}
	return nil
}

// Variant returns the configuration of a named network, those of SAM 2.0 with 2.0 behind the name.
func Variant(name string) (Config, error) {
	v := FindVariant(name)
	if v == nil {
		known := VariantNames()
		return Config{}, fmt.Errorf("no variant %q%s (there are %s)", name, suggest(name, slices.Clone(known)), strings.Join(known, ", "))
	}
	c := common()
	c.Name = name
	c.ImageEncoder.Trunk = v.trunk
	t := &c.ImageEncoder.Trunk // the defaults of the reference's code where its YAML files are silent
	t.QPool, t.QStride, t.DimMul, t.HeadMul, t.ReturnIntermLayer = 3, []int{2, 2}, 2, 2, true
	if strings.HasSuffix(name, old) {
		c.NoObjEmbedSpatial, c.AddTposEncToObjPtrs, c.ProjTposEncInObjPtrs, c.UseSignedTposEncToObjPtrs = false, false, false, false
	}
	if v.edit != nil {
		v.edit(&c)
	}
	return c.Override(nil) // lets the repeated keys follow, and checks
}

// common is what the YAML files of all variants of SAM 2.1 share, and the reference's defaults
// behind them.
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

package sam2

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestVariantsHoldThePublishedTensors(t *testing.T) {
	const matrix = 256 // the Fourier matrix, a buffer that the published counts leave out
	for _, v := range []struct {
		name                string
		tensors, parameters int
	}{
		{"tiny", 471, 38_962_498}, {"small", 519, 46_060_354}, {"base_plus", 615, 80_850_178}, {"large", 903, 224_446_642},
		{"tiny2.0", 468, 38_945_986}, {"small2.0", 516, 46_043_842}, {"base_plus2.0", 612, 80_833_666}, {"large2.0", 900, 224_430_130},
	} {
		c, err := Variant(v.name)
		if err != nil {
			t.Fatal(err)
		}
		n, seen := 0, map[string]bool{}
		for _, s := range c.Tensors() {
			if seen[s.Name] {
				t.Errorf("%s: %s is listed twice", v.name, s.Name)
			}
			seen[s.Name] = true
			n += s.Len()
		}
		if len(seen) != v.tensors || n-matrix != v.parameters {
			t.Errorf("%s: %d tensors and %d parameters, want %d and %d", v.name, len(seen), n-matrix, v.tensors, v.parameters)
		}
	}
}

func TestNanoFitsInEightMegabytesAsF16(t *testing.T) {
	c, err := Variant("nano")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range c.Tensors() {
		n += s.Len()
	}
	if 2*n > 8<<20 {
		t.Errorf("nano has %d parameters, %d bytes as f16", n, 2*n)
	}
	t.Logf("nano: %d parameters", n)
}

func TestUnknownVariantSuggestsTheNearest(t *testing.T) {
	for name, want := range map[string]string{"tinny": `did you mean "tiny"`, "base-plus": `did you mean "base_plus"`, "nano2.0": "no variant"} {
		if _, err := Variant(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want ... %s ...", name, err, want)
		}
	}
}

func TestBlockPlanOfTiny(t *testing.T) {
	c, _ := Variant("tiny")
	var windows, widths []int
	pools := ""
	for i, b := range c.ImageEncoder.Trunk.blocks() {
		windows, widths = append(windows, b.window), append(widths, b.out)
		if b.pool {
			pools += string(rune('0' + i%10))
		}
	}
	if want := []int{8, 8, 4, 4, 14, 0, 14, 0, 14, 0, 14, 7}; !reflect.DeepEqual(windows, want) {
		t.Errorf("windows %v, want %v", windows, want)
	}
	if want := []int{96, 192, 192, 384, 384, 384, 384, 384, 384, 384, 768, 768}; !reflect.DeepEqual(widths, want) {
		t.Errorf("widths %v, want %v", widths, want)
	}
	if pools != "130" {
		t.Errorf("pooling in blocks %q, want 1, 3 and 10", pools)
	}
}

func TestOverrideSetsKeysByTheirYAMLNames(t *testing.T) {
	tiny, _ := Variant("tiny")
	c, err := tiny.Override(map[string]any{
		"image_size":                            int64(256),
		"image_encoder.trunk.embed_dim":         int64(24),
		"image_encoder.trunk.stages":            []any{int64(1), int64(2), int64(3), int64(2)},
		"sigmoid_scale_for_mem_enc":             int64(10),
		"fixed_no_obj_ptr":                      false,
		"memory_attention":                      map[string]any{"num_layers": int64(2), "layer": map[string]any{"activation": "gelu"}},
		"memory_encoder.fuser":                  map[string]any{"num_layers": 1},
		"image_encoder.neck.d_model":            128,
		"image_encoder.trunk.global_att_blocks": []int{5},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.ImageSize != 256 || c.Side() != 16 || c.MaskSide() != 64 || c.SigmoidScaleForMemEnc != 10 || c.FixedNoObjPtr ||
		c.MemoryAttention.NumLayers != 2 || c.MemoryAttention.Layer.Activation != "gelu" || c.MemoryEncoder.Fuser.NumLayers != 1 {
		t.Errorf("keys are not set: %+v", c)
	}
	if got, want := c.ImageEncoder.Neck.BackboneChannelList, []int{192, 96, 48, 24}; !reflect.DeepEqual(got, want) {
		t.Errorf("backbone_channel_list is %v, want it to follow: %v", got, want)
	}
	if c.MemoryAttention.Layer.CrossAttention.EmbeddingDim != 128 || c.MemoryAttention.Layer.SelfAttention.KVInDim != 128 {
		t.Errorf("widths do not follow d_model")
	}
	if tiny.ImageSize != 1024 || tiny.ImageEncoder.Trunk.Stages[2] != 7 {
		t.Errorf("the original changed: %+v", tiny)
	}
}

func TestOverrideReportsEveryMistake(t *testing.T) {
	tiny, _ := Variant("tiny")
	_, err := tiny.Override(map[string]any{
		"image_encoder.trunk.embed_dims": 24,
		"image_size":                     "large",
		"num_maskmem":                    2.5,
		"image_encoder.trunk.stages":     []any{"one"},
		"scalp":                          1,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`image_encoder.trunk.embed_dims: no such key; did you mean "image_encoder.trunk.embed_dim"?`,
		"image_size: large is not a whole number", "num_maskmem: 2.5 is not a whole number",
		"stages: [one] is not a list of whole numbers", "scalp: no such key",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}

func TestOverrideRefusesWhatCannotWork(t *testing.T) {
	tiny, _ := Variant("tiny")
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"image_size", 1000, "image_size = 1000"},
		{"image_size", 96 * 32 / 3, ""}, // 1024 again
		{"image_encoder.trunk.stages", []int{1, 2, 3}, "want four counts"},
		{"image_encoder.trunk.num_heads", 5, "not a multiple of num_heads"},
		{"image_encoder.trunk.window_spec", []int{7, 4, 14, 7}, "window_spec[0] = 7 does not divide"},
		{"image_encoder.trunk.window_spec", []int{8, 5, 14, 7}, "odd side 5"},
		{"image_encoder.neck.backbone_channel_list", []int{1, 2, 3, 4}, "backbone_channel_list = [1 2 3 4]"},
		{"image_encoder.neck.fpn_top_down_levels", []int{1, 2, 3}, "only levels 2 and 3"},
		{"image_encoder.neck.fpn_interp_model", "bilinear", "fpn_interp_model = bilinear, want nearest"},
		{"memory_attention.layer.self_attention.num_heads", 2, "num_heads = 2, want 1"},
		{"memory_encoder.out_dim", 96, "out_dim = 96"},
		{"memory_encoder.mask_downsampler.stride", 3, "stride = 3"},
		{"memory_encoder.fuser.layer.kernel_size", 5, "changes the side"},
	} {
		_, err := tiny.Override(map[string]any{c.key: c.value})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s = %v: got %v, want ... %s ...", c.key, c.value, err, c.want)
		}
	}
}

// yamlKeys are the keys that the reference's YAML files set.
var yamlKeys = strings.Fields(`
image_encoder.scalp image_encoder.trunk.embed_dim image_encoder.trunk.num_heads image_encoder.trunk.stages
image_encoder.trunk.global_att_blocks image_encoder.trunk.window_pos_embed_bkg_spatial_size image_encoder.trunk.window_spec
image_encoder.neck.position_encoding.num_pos_feats image_encoder.neck.position_encoding.normalize
image_encoder.neck.position_encoding.scale image_encoder.neck.position_encoding.temperature image_encoder.neck.d_model
image_encoder.neck.backbone_channel_list image_encoder.neck.fpn_top_down_levels image_encoder.neck.fpn_interp_model
memory_attention.d_model memory_attention.pos_enc_at_input memory_attention.layer.activation memory_attention.layer.dim_feedforward
memory_attention.layer.dropout memory_attention.layer.pos_enc_at_attn memory_attention.layer.self_attention.rope_theta
memory_attention.layer.self_attention.feat_sizes memory_attention.layer.self_attention.embedding_dim
memory_attention.layer.self_attention.num_heads memory_attention.layer.self_attention.downsample_rate
memory_attention.layer.self_attention.dropout memory_attention.layer.d_model memory_attention.layer.pos_enc_at_cross_attn_keys
memory_attention.layer.pos_enc_at_cross_attn_queries memory_attention.layer.cross_attention.rope_theta
memory_attention.layer.cross_attention.feat_sizes memory_attention.layer.cross_attention.rope_k_repeat
memory_attention.layer.cross_attention.embedding_dim memory_attention.layer.cross_attention.num_heads
memory_attention.layer.cross_attention.downsample_rate memory_attention.layer.cross_attention.dropout
memory_attention.layer.cross_attention.kv_in_dim memory_attention.num_layers memory_encoder.out_dim
memory_encoder.position_encoding.num_pos_feats memory_encoder.position_encoding.normalize memory_encoder.position_encoding.scale
memory_encoder.position_encoding.temperature memory_encoder.mask_downsampler.kernel_size memory_encoder.mask_downsampler.stride
memory_encoder.mask_downsampler.padding memory_encoder.fuser.layer.dim memory_encoder.fuser.layer.kernel_size
memory_encoder.fuser.layer.padding memory_encoder.fuser.layer.layer_scale_init_value memory_encoder.fuser.layer.use_dwconv
memory_encoder.fuser.num_layers num_maskmem image_size sigmoid_scale_for_mem_enc sigmoid_bias_for_mem_enc
use_mask_input_as_output_without_sam directly_add_no_mem_embed no_obj_embed_spatial use_high_res_features_in_sam
multimask_output_in_sam iou_prediction_use_sigmoid use_obj_ptrs_in_encoder add_tpos_enc_to_obj_ptrs proj_tpos_enc_in_obj_ptrs
use_signed_tpos_enc_to_obj_ptrs only_obj_ptrs_in_the_past_for_eval pred_obj_scores pred_obj_scores_mlp fixed_no_obj_ptr
multimask_output_for_tracking use_multimask_token_for_obj_ptr multimask_min_pt_num multimask_max_pt_num use_mlp_for_obj_ptr_proj
compile_image_encoder`)

func TestEveryYAMLKeyCanBeSet(t *testing.T) {
	known := map[string]bool{}
	for _, k := range Keys() {
		known[k] = true
	}
	for _, k := range yamlKeys {
		if !known[k] {
			t.Errorf("%s cannot be set", k)
		}
	}
}

func TestAProblemNamesTheKeyThatCanBeSet(t *testing.T) {
	tiny, _ := Variant("tiny")
	for _, c := range []struct {
		set  map[string]any
		want Problems
	}{
		{map[string]any{"num_maskmem": 0, "image_encoder": map[string]any{"trunk": map[string]any{"window_spec": []int{10, 4, 14, 7}}}}, Problems{
			{"num_maskmem", "num_maskmem = 0, want 1 to 1000"},
			{"image_encoder.trunk.window_spec", "image_encoder.trunk.window_spec[0] = 10 does not divide image_size/4 = 256"}}},
		{map[string]any{"memory_encoder.fuser.layer.kernel_size": 5}, Problems{
			{"memory_encoder.fuser.layer", "memory_encoder.fuser.layer: kernel_size = 5 with padding = 3 changes the side"}}},
		{map[string]any{"image_size": "large", "scalp": 1}, Problems{
			{"image_size", "image_size: large is not a whole number"}, {"scalp", "scalp: no such key"}}},
	} {
		_, err := tiny.Override(c.set)
		got, ok := errors.AsType[Problems](err)
		if !ok || !slices.Equal(got, c.want) {
			t.Errorf("%v: %#v (%T), want %#v", c.set, got, err, c.want)
		}
	}
}

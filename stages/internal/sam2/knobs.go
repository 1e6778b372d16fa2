package sam2

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/kernels/weights"
)

// A fine-tune may have another configuration than the variant it began as. Where a shape, or that a
// tensor is there, says which, the key is named.

// maxImplied is the largest size that is believed: the configuration is tried.
const maxImplied = 8192

// sizesOf are the keys that are an axis of a tensor.
var sizesOf = []struct {
	key, tensor string
	axis        int
}{
	{"num_maskmem", "maskmem_tpos_enc", 0},
	{"image_encoder.trunk.embed_dim", "image_encoder.trunk.patch_embed.proj.weight", 0},
	{"image_encoder.neck.d_model", "image_encoder.neck.convs.0.conv.weight", 0},
	{"memory_attention.layer.dim_feedforward", "memory_attention.layers.0.linear1.weight", 0},
	{"memory_encoder.out_dim", "memory_encoder.out_proj.weight", 0},
	{"memory_encoder.fuser.layer.kernel_size", "memory_encoder.fuser.layers.0.dwconv.weight", 2},
	{"sam_mask_decoder.mlp_dim", "sam_mask_decoder.transformer.layers.0.mlp.layers.0.weight", 0},
	{"sam_mask_decoder.iou_head_hidden_dim", "sam_mask_decoder.iou_prediction_head.layers.0.weight", 0},
}

// countsOf are the keys that are the number of modules of a list, by a tensor that each has.
var countsOf = []struct{ key, tensor string }{
	{"memory_attention.num_layers", "memory_attention.layers.%d.norm1.weight"},
	{"memory_encoder.fuser.num_layers", "memory_encoder.fuser.layers.%d.norm.weight"},
}

// flagsOf are the keys that add a tensor.
var flagsOf = []struct{ key, tensor string }{
	{"no_obj_embed_spatial", "no_obj_embed_spatial"},
	{"proj_tpos_enc_in_obj_ptrs", "obj_ptr_tpos_proj.weight"},
	{"use_mlp_for_obj_ptr_proj", "obj_ptr_proj.layers.0.weight"},
	{"pred_obj_scores", "sam_mask_decoder.obj_score_token.weight"},
	{"pred_obj_scores_mlp", "sam_mask_decoder.pred_obj_score_head.layers.0.weight"},
}

// knobs returns the keys whose values in a file are others than in a configuration, and whether the
// file fits it with them.
func knobs(c Config, f *weights.File) (set []string, fits bool) {
	now := map[string]reflect.Value{}
	walk(reflect.ValueOf(&c).Elem(), "", func(key string, v reflect.Value) { now[key] = v })
	hf := isHuggingFace(f)
	shape := func(name string) []int {
		t, row := find(f, hf, name)
		if t == nil || row >= 0 || len(t.Shape) == 0 || slices.Min(t.Shape) < 1 || slices.Max(t.Shape) > maxImplied {
			return nil
		}
		return t.Shape
	}
	changed := map[string]any{}
	imply := func(key string, v any) {
		if !reflect.DeepEqual(now[key].Interface(), v) {
			changed[key] = v
		}
	}
	for _, s := range sizesOf {
		if dims := shape(s.tensor); s.axis < len(dims) && dims[s.axis] > 0 {
			imply(s.key, dims[s.axis])
		}
	}
	if k, ok := changed["memory_encoder.fuser.layer.kernel_size"].(int); ok {
		changed["memory_encoder.fuser.layer.padding"] = k / 2
	}
	if dims := shape("image_encoder.trunk.pos_embed"); len(dims) == 4 {
		imply("image_encoder.trunk.window_pos_embed_bkg_spatial_size", dims[2:])
	}
	if dims, spec := shape("image_encoder.trunk.pos_embed_window"), c.ImageEncoder.Trunk.WindowSpec; len(dims) == 4 && len(spec) == 4 {
		imply("image_encoder.trunk.window_spec", append([]int{dims[2]}, spec[1:]...))
	}
	for _, s := range countsOf {
		n := 0
		for shape(fmt.Sprintf(s.tensor, n)) != nil {
			n++
		}
		if n > 0 {
			imply(s.key, n)
		}
	}
	for _, s := range flagsOf {
		imply(s.key, shape(s.tensor) != nil)
	}
	for key, needs := range map[string]string{"pred_obj_scores": "fixed_no_obj_ptr", "proj_tpos_enc_in_obj_ptrs": "add_tpos_enc_to_obj_ptrs"} {
		if v, ok := changed[key].(bool); ok && v == (key == "proj_tpos_enc_in_obj_ptrs") {
			imply(needs, v)
		}
	}
	if len(changed) == 0 {
		return nil, false
	}
	with, err := c.Override(changed)
	fits = err == nil && differences(with.Tensors(), f).count() == 0
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		value := fmt.Sprint(changed[key])
		if list, ok := changed[key].([]int); ok {
			value = strings.ReplaceAll(fmt.Sprint(list), " ", ",")
		}
		set = append(set, fmt.Sprintf("--set model.config.%s=%s", key, value))
	}
	return set, fits
}

package sam2

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
)

// Checkpoints come under two sets of names: the official ones, and those of the Hugging Face model.
// The tensors are the same but for the four point embeddings, which are four tensors there and the
// rows of one here. The rules below translate both ways: in a pattern # is a number, and a final *
// is the rest of the name. The first rule that fits decides, so the general rule of a part stands
// last.

// rules pairs official names with Hugging Face names.
var rules = []struct{ official, hf string }{
	{"maskmem_tpos_enc", "memory_temporal_positional_encoding"},
	{"no_mem_embed", "no_memory_embedding"},
	{"no_mem_pos_enc", "no_memory_positional_encoding"},
	{"no_obj_ptr", "no_object_pointer"},
	{"no_obj_embed_spatial", "occlusion_spatial_embedding_parameter"},
	{"obj_ptr_tpos_proj.*", "temporal_positional_encoding_projection_layer.*"},
	{"obj_ptr_proj.layers.0.*", "object_pointer_proj.proj_in.*"},
	{"obj_ptr_proj.layers.1.*", "object_pointer_proj.layers.0.*"}, // the middle one of three
	{"obj_ptr_proj.layers.2.*", "object_pointer_proj.proj_out.*"},
	{"mask_downsample.*", "mask_downsample.*"},

	{"image_encoder.trunk.patch_embed.proj.*", "vision_encoder.backbone.patch_embed.projection.*"},
	{"image_encoder.trunk.blocks.#.norm1.*", "vision_encoder.backbone.blocks.#.layer_norm1.*"},
	{"image_encoder.trunk.blocks.#.norm2.*", "vision_encoder.backbone.blocks.#.layer_norm2.*"},
	{"image_encoder.trunk.blocks.#.mlp.layers.0.*", "vision_encoder.backbone.blocks.#.mlp.proj_in.*"},
	{"image_encoder.trunk.blocks.#.mlp.layers.1.*", "vision_encoder.backbone.blocks.#.mlp.proj_out.*"},
	{"image_encoder.trunk.*", "vision_encoder.backbone.*"},
	{"image_encoder.neck.convs.#.conv.*", "vision_encoder.neck.convs.#.*"},

	{"memory_attention.layers.#.self_attn.out_proj.*", "memory_attention.layers.#.self_attn.o_proj.*"},
	{"memory_attention.layers.#.cross_attn_image.out_proj.*", "memory_attention.layers.#.cross_attn_image.o_proj.*"},
	{"memory_attention.layers.#.norm1.*", "memory_attention.layers.#.layer_norm1.*"},
	{"memory_attention.layers.#.norm2.*", "memory_attention.layers.#.layer_norm2.*"},
	{"memory_attention.layers.#.norm3.*", "memory_attention.layers.#.layer_norm3.*"},
	{"memory_attention.norm.*", "memory_attention.layer_norm.*"},
	{"memory_attention.*", "memory_attention.*"},

	{"memory_encoder.mask_downsampler.encoder.0.*", "memory_encoder.mask_downsampler.layers.0.conv.*"},
	{"memory_encoder.mask_downsampler.encoder.1.*", "memory_encoder.mask_downsampler.layers.0.layer_norm.*"},
	{"memory_encoder.mask_downsampler.encoder.3.*", "memory_encoder.mask_downsampler.layers.1.conv.*"},
	{"memory_encoder.mask_downsampler.encoder.4.*", "memory_encoder.mask_downsampler.layers.1.layer_norm.*"},
	{"memory_encoder.mask_downsampler.encoder.6.*", "memory_encoder.mask_downsampler.layers.2.conv.*"},
	{"memory_encoder.mask_downsampler.encoder.7.*", "memory_encoder.mask_downsampler.layers.2.layer_norm.*"},
	{"memory_encoder.mask_downsampler.encoder.9.*", "memory_encoder.mask_downsampler.layers.3.conv.*"},
	{"memory_encoder.mask_downsampler.encoder.10.*", "memory_encoder.mask_downsampler.layers.3.layer_norm.*"},
	{"memory_encoder.mask_downsampler.encoder.12.*", "memory_encoder.mask_downsampler.final_conv.*"},
	{"memory_encoder.pix_feat_proj.*", "memory_encoder.feature_projection.*"},
	{"memory_encoder.out_proj.*", "memory_encoder.projection.*"},
	{"memory_encoder.fuser.layers.#.dwconv.*", "memory_encoder.memory_fuser.layers.#.depthwise_conv.*"},
	{"memory_encoder.fuser.layers.#.norm.*", "memory_encoder.memory_fuser.layers.#.layer_norm.*"},
	{"memory_encoder.fuser.layers.#.pwconv1.*", "memory_encoder.memory_fuser.layers.#.pointwise_conv1.*"},
	{"memory_encoder.fuser.layers.#.pwconv2.*", "memory_encoder.memory_fuser.layers.#.pointwise_conv2.*"},
	{"memory_encoder.fuser.layers.#.gamma", "memory_encoder.memory_fuser.layers.#.scale"},

	{"sam_prompt_encoder.not_a_point_embed.*", "prompt_encoder.not_a_point_embed.*"},
	{"sam_prompt_encoder.no_mask_embed.*", "prompt_encoder.no_mask_embed.*"},
	{"sam_prompt_encoder.mask_downscaling.0.*", "prompt_encoder.mask_embed.conv1.*"},
	{"sam_prompt_encoder.mask_downscaling.1.*", "prompt_encoder.mask_embed.layer_norm1.*"},
	{"sam_prompt_encoder.mask_downscaling.3.*", "prompt_encoder.mask_embed.conv2.*"},
	{"sam_prompt_encoder.mask_downscaling.4.*", "prompt_encoder.mask_embed.layer_norm2.*"},
	{"sam_prompt_encoder.mask_downscaling.6.*", "prompt_encoder.mask_embed.conv3.*"},
	{"sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", "prompt_encoder.shared_embedding.positional_embedding"},

	{"sam_mask_decoder.transformer.layers.#.self_attn.out_proj.*", "mask_decoder.transformer.layers.#.self_attn.o_proj.*"},
	{"sam_mask_decoder.transformer.layers.#.cross_attn_token_to_image.out_proj.*", "mask_decoder.transformer.layers.#.cross_attn_token_to_image.o_proj.*"},
	{"sam_mask_decoder.transformer.layers.#.cross_attn_image_to_token.out_proj.*", "mask_decoder.transformer.layers.#.cross_attn_image_to_token.o_proj.*"},
	{"sam_mask_decoder.transformer.layers.#.norm1.*", "mask_decoder.transformer.layers.#.layer_norm1.*"},
	{"sam_mask_decoder.transformer.layers.#.norm2.*", "mask_decoder.transformer.layers.#.layer_norm2.*"},
	{"sam_mask_decoder.transformer.layers.#.norm3.*", "mask_decoder.transformer.layers.#.layer_norm3.*"},
	{"sam_mask_decoder.transformer.layers.#.norm4.*", "mask_decoder.transformer.layers.#.layer_norm4.*"},
	{"sam_mask_decoder.transformer.layers.#.mlp.layers.0.*", "mask_decoder.transformer.layers.#.mlp.proj_in.*"},
	{"sam_mask_decoder.transformer.layers.#.mlp.layers.1.*", "mask_decoder.transformer.layers.#.mlp.proj_out.*"},
	{"sam_mask_decoder.transformer.final_attn_token_to_image.out_proj.*", "mask_decoder.transformer.final_attn_token_to_image.o_proj.*"},
	{"sam_mask_decoder.transformer.norm_final_attn.*", "mask_decoder.transformer.layer_norm_final_attn.*"},
	{"sam_mask_decoder.output_upscaling.0.*", "mask_decoder.upscale_conv1.*"},
	{"sam_mask_decoder.output_upscaling.1.*", "mask_decoder.upscale_layer_norm.*"},
	{"sam_mask_decoder.output_upscaling.3.*", "mask_decoder.upscale_conv2.*"},
	{"sam_mask_decoder.output_hypernetworks_mlps.#.layers.0.*", "mask_decoder.output_hypernetworks_mlps.#.proj_in.*"},
	{"sam_mask_decoder.output_hypernetworks_mlps.#.layers.1.*", "mask_decoder.output_hypernetworks_mlps.#.layers.0.*"},
	{"sam_mask_decoder.output_hypernetworks_mlps.#.layers.2.*", "mask_decoder.output_hypernetworks_mlps.#.proj_out.*"},
	{"sam_mask_decoder.iou_prediction_head.layers.0.*", "mask_decoder.iou_prediction_head.proj_in.*"},
	{"sam_mask_decoder.iou_prediction_head.layers.1.*", "mask_decoder.iou_prediction_head.layers.0.*"},
	{"sam_mask_decoder.iou_prediction_head.layers.2.*", "mask_decoder.iou_prediction_head.proj_out.*"},
	{"sam_mask_decoder.pred_obj_score_head.layers.0.*", "mask_decoder.pred_obj_score_head.proj_in.*"},
	{"sam_mask_decoder.pred_obj_score_head.layers.1.*", "mask_decoder.pred_obj_score_head.layers.0.*"},
	{"sam_mask_decoder.pred_obj_score_head.layers.2.*", "mask_decoder.pred_obj_score_head.proj_out.*"},
	{"sam_mask_decoder.*", "mask_decoder.*"},
}

const (
	pointEmbeddings = "sam_prompt_encoder.point_embeddings." // #.weight, [1, d] each
	pointEmbed      = "prompt_encoder.point_embed.weight"    // [4, d], row = label
	tiedEmbedding   = "shared_image_embedding.positional_embedding"
	tiedTo          = "prompt_encoder.shared_embedding.positional_embedding"
)

// huggingFace returns the Hugging Face name of an official one. Tensors that are rows of another
// carry their row, the others -1.
func huggingFace(official string) (name string, row int) {
	if rest, ok := strings.CutPrefix(official, pointEmbeddings); ok && len(rest) > 0 {
		return pointEmbed, int(rest[0] - '0')
	}
	for _, r := range rules {
		if name, ok := translate(official, r.official, r.hf); ok {
			return name, -1
		}
	}
	return official, -1
}

// fromHuggingFace returns the official name of a Hugging Face one; row matters for the point
// embeddings only.
func fromHuggingFace(name string, row int) string {
	switch name {
	case pointEmbed:
		return fmt.Sprint(pointEmbeddings, row, ".weight")
	case tiedEmbedding:
		name = tiedTo
	}
	for _, r := range rules {
		if official, ok := translate(name, r.hf, r.official); ok {
			return official
		}
	}
	return name
}

// translate rewrites name by the pair of patterns, if it fits the first.
func translate(name, from, to string) (string, bool) {
	var number string
	for {
		before, after, more := strings.Cut(from, "#")
		fixed, star := strings.CutSuffix(before, "*")
		rest, ok := strings.CutPrefix(name, fixed)
		switch {
		case !ok:
			return "", false
		case more:
			end := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
			if end == 0 {
				return "", false
			}
			number, name, from = rest[:end], rest[end:], after
		case !star && rest != "":
			return "", false
		default:
			to = strings.Replace(to, "#", number, 1)
			return strings.TrimSuffix(to, "*") + rest, true
		}
	}
}

// isHuggingFace says which names a file has.
func isHuggingFace(f *weights.File) bool {
	for _, n := range f.Names() {
		if strings.HasPrefix(n, "vision_encoder.") || strings.HasPrefix(n, "mask_decoder.") {
			return true
		}
	}
	return false
}

// findForeign returns the name and the type of an official tensor that the file holds and that
// cannot be read.
func findForeign(f *weights.File, hf bool, official string) (name, typ string) {
	name = official
	if hf {
		name, _ = huggingFace(official)
	}
	return name, f.Foreign()[name]
}

// find returns the tensor that holds an official one, and the row of it that does, or -1.
func find(f *weights.File, hf bool, official string) (*weights.Tensor, int) {
	name, row := official, -1
	if hf {
		name, row = huggingFace(official)
	}
	t, ok := f.Lookup(name)
	if !ok && name == tiedTo && hf {
		t, ok = f.Lookup(tiedEmbedding)
	}
	if !ok {
		return nil, -1
	}
	return t, row
}

// used returns the names in the file of the tensors that a configuration needs.
func used(c Config, f *weights.File, hf bool) (names []string) {
	for _, s := range c.Tensors() {
		if t, _ := find(f, hf, s.Name); t != nil && !slices.Contains(names, t.Name) {
			names = append(names, t.Name)
		}
	}
	return names
}

// fetch returns the elements of a tensor that is known to be there.
func fetch(f *weights.File, hf bool, spec Spec) ([]float32, error) {
	t, row := find(f, hf, spec.Name)
	if t == nil {
		return nil, fmt.Errorf("not in the file")
	}
	v, err := t.Float32()
	if err != nil || row < 0 {
		return v, err
	}
	return v[row*spec.Len():][:spec.Len()], nil
}

// floating reports whether a stored type can be a weight.
func floating(dt kernels.DType) bool {
	return dt == kernels.F32 || dt == kernels.F16 || dt == kernels.BF16
}

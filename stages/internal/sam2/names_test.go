package sam2

import (
	"testing"
)

func TestNamesAreTheSameAfterHuggingFaceAndBack(t *testing.T) {
	for _, v := range VariantNames() {
		c, _ := Variant(v)
		seen := map[string]string{}
		for _, s := range c.Tensors() {
			name, row := huggingFace(s.Name)
			if back := fromHuggingFace(name, row); back != s.Name {
				t.Errorf("%s: %s became %s became %s", v, s.Name, name, back)
			}
			if other, ok := seen[name]; ok && row < 0 {
				t.Errorf("%s: %s and %s are both %s", v, s.Name, other, name)
			}
			seen[name] = s.Name
		}
		if len(seen) != len(c.Tensors())-3 { // four point embeddings became one
			t.Errorf("%s: %d names for %d tensors", v, len(seen), len(c.Tensors()))
		}
	}
}

func TestHuggingFaceNames(t *testing.T) {
	for official, want := range map[string]string{
		"image_encoder.trunk.pos_embed":                                                 "vision_encoder.backbone.pos_embed",
		"image_encoder.trunk.patch_embed.proj.bias":                                     "vision_encoder.backbone.patch_embed.projection.bias",
		"image_encoder.trunk.blocks.10.proj.weight":                                     "vision_encoder.backbone.blocks.10.proj.weight",
		"image_encoder.trunk.blocks.10.attn.proj.weight":                                "vision_encoder.backbone.blocks.10.attn.proj.weight",
		"image_encoder.trunk.blocks.3.mlp.layers.1.bias":                                "vision_encoder.backbone.blocks.3.mlp.proj_out.bias",
		"image_encoder.neck.convs.2.conv.weight":                                        "vision_encoder.neck.convs.2.weight",
		"memory_attention.layers.3.cross_attn_image.out_proj.weight":                    "memory_attention.layers.3.cross_attn_image.o_proj.weight",
		"memory_attention.layers.3.cross_attn_image.k_proj.weight":                      "memory_attention.layers.3.cross_attn_image.k_proj.weight",
		"memory_attention.layers.0.linear2.bias":                                        "memory_attention.layers.0.linear2.bias",
		"memory_encoder.mask_downsampler.encoder.10.weight":                             "memory_encoder.mask_downsampler.layers.3.layer_norm.weight",
		"memory_encoder.mask_downsampler.encoder.1.weight":                              "memory_encoder.mask_downsampler.layers.0.layer_norm.weight",
		"memory_encoder.fuser.layers.1.gamma":                                           "memory_encoder.memory_fuser.layers.1.scale",
		"sam_prompt_encoder.point_embeddings.2.weight":                                  "prompt_encoder.point_embed.weight",
		"sam_mask_decoder.transformer.layers.1.cross_attn_token_to_image.out_proj.bias": "mask_decoder.transformer.layers.1.cross_attn_token_to_image.o_proj.bias",
		"sam_mask_decoder.transformer.layers.1.mlp.layers.0.bias":                       "mask_decoder.transformer.layers.1.mlp.proj_in.bias",
		"sam_mask_decoder.output_hypernetworks_mlps.3.layers.1.weight":                  "mask_decoder.output_hypernetworks_mlps.3.layers.0.weight",
		"sam_mask_decoder.iou_token.weight":                                             "mask_decoder.iou_token.weight",
		"sam_mask_decoder.conv_s0.bias":                                                 "mask_decoder.conv_s0.bias",
		"obj_ptr_proj.layers.2.weight":                                                  "object_pointer_proj.proj_out.weight",
		"mask_downsample.weight":                                                        "mask_downsample.weight",
	} {
		if got, _ := huggingFace(official); got != want {
			t.Errorf("%s is %s, want %s", official, got, want)
		}
	}
}

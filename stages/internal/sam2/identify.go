package sam2

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/seed49bbd0e6/tachi/kernels/weights"
)

// Weights of other networks are taken for those of this one. Each has names that no other has.

// network is what a file may hold instead, by parts of its tensors' names: one each of all, and
// none of not.
type network struct {
	is  string
	all []string
	not []string
}

// relatives is how many of the networks share names with this one; the others are only looked for
// where most names are strange.
const relatives = 8

const another = "this is %s, not SAM 2"

// networks are told apart in this order; every pattern is a regular expression over one name.
var networks = []network{
	{"LoRA adapters, not a network: merge them into SAM 2.1 (merge_and_unload in PEFT) and save that",
		[]string{`(^|[._])(lora|lokr|hada|loha)(_[AB]|_down|_up|_embedding|_w\d|[._])`}, nil},
	{fmt.Sprintf(another, "EdgeTAM"), []string{`^spatial_perceiver\.|^image_encoder\.trunk\.body\.|\.timm_model\.`}, nil},
	{fmt.Sprintf(another, "SAM 3"), []string{`^detector(_model)?\.|^tracker(_model)?\.(maskmem|memory_)`}, nil},
	{fmt.Sprintf(another, "HQ-SAM"), []string{`mask_decoder\.hf_token`}, nil},
	{fmt.Sprintf(another, "MobileSAM"), []string{`^image_encoder\.layers\.\d+\.blocks\.`}, nil},
	{fmt.Sprintf(another, "SAM 1 (Segment Anything)"), []string{`^image_encoder\.blocks\.|^vision_encoder\.layers\.`}, nil},
	{fmt.Sprintf(another, "EfficientTAM"), []string{`^image_encoder\.trunk\.blocks\.`}, []string{`pos_embed_window`, `\.trunk\.blocks\.\d+\.mlp\.layers\.`}},
	{"an image network: no memory modules, it cannot track", []string{`^(image_encoder\.trunk|vision_encoder\.backbone)\.pos_embed_window$`},
		[]string{`^memory_(attention|encoder)\.`}},
	{fmt.Sprintf(another, "Cutie or XMem"), []string{`^(pixel_encoder|key_encoder|value_encoder|mask_encoder)\.`}, nil},
	{fmt.Sprintf(another, "Grounding DINO"), []string{`^(text_backbone|bert)\.`, `transformer\.|encoder\.`}, nil},
	{fmt.Sprintf(another, "CLIP"), []string{`^(visual|vision_model|clip|text_model|logit_scale)`}, nil},
	{fmt.Sprintf(another, "DETR or a network like it"), []string{`query_embed|query_position_embeddings`, `class_embed|class_labels`}, nil},
	{fmt.Sprintf(another, "DINOv2"), []string{`blocks?\.\d+\.ls1\.gamma|layer_scale1\.lambda1`}, nil},
	{fmt.Sprintf(another, "a plain vision transformer"), []string{`cls_token`, `blocks?\.|layers?\.`}, nil},
	{fmt.Sprintf(another, "a Hiera backbone alone"), []string{`(^|\.)blocks\.\d+\.attn\.qkv\.|^hiera\.`, `patch_embed`}, nil},
	{fmt.Sprintf(another, "YOLO"), []string{`^(model\.)*\d+\.(conv|cv\d|m|bn|dfl|attn)\.`}, nil},
	{fmt.Sprintf(another, "a detector of torchvision"), []string{`^(roi_heads|rpn)\.`}, nil},
	{fmt.Sprintf(another, "a ResNet"), []string{`(^|\.)layer1\.0\.conv1\.weight`}, nil},
	{fmt.Sprintf(another, "Stable Diffusion"), []string{`diffusion_model\.|^down_blocks\.\d+\.resnets`}, nil},
	{fmt.Sprintf(another, "a language model"), []string{`embed_tokens|lm_head|(^|\.)wte\.|word_embeddings`}, nil},
}

// compiled are the patterns of networks.
var compiled = sync.OnceValue(func() map[string]*regexp.Regexp {
	all := map[string]*regexp.Regexp{}
	for _, n := range networks {
		for _, p := range slices.Concat(n.all, n.not) {
			all[p] = regexp.MustCompile(p)
		}
	}
	return all
})

// identify says what a file is that does not hold SAM 2, empty when it may.
func identify(f *weights.File) string {
	names := allNames(f)
	any := func(pattern string) bool {
		re := compiled()[pattern]
		for _, n := range names {
			if re.MatchString(n) {
				return true
			}
		}
		return false
	}
	ours := 0
	for _, n := range names {
		if known()[n] {
			ours++
		}
	}
	list := networks
	if 2*ours > len(names) {
		list = networks[:relatives]
	}
	is := ""
	for _, n := range list {
		fits := true
		for _, p := range n.all {
			fits = fits && any(p)
		}
		for _, p := range n.not {
			fits = fits && !any(p)
		}
		if fits {
			is = n.is
			break
		}
	}
	switch {
	case is == "" && len(names) == 0:
		return "there is no tensor in it"
	case is == "" && ours < 10:
		is = "this is not SAM 2"
	case !strings.HasPrefix(is, "this is"):
		return is
	}
	return fmt.Sprintf("%s (%d tensors, such as %s)", is, len(names), weights.Some(names[:min(len(names), 2)], 2))
}

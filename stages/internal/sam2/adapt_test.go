package sam2

import (
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/null"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
)

// named changes the names of a checkpoint's tensors.
func named(rename func(string) string) func(map[string]*weights.Tensor) {
	return func(tensors map[string]*weights.Tensor) {
		for name, w := range maps.Clone(tensors) {
			delete(tensors, name)
			t := *w
			t.Name = rename(name)
			tensors[t.Name] = &t
		}
	}
}

func prefixed(p string) func(string) string { return func(n string) string { return p + n } }

func suffixed(from, to string) func(string) string {
	return func(n string) string {
		if rest, ok := strings.CutSuffix(n, from); ok {
			return rest + to
		}
		return n
	}
}

// both makes a copy of every tensor under another prefix.
func both(a, b string) func(map[string]*weights.Tensor) {
	return func(tensors map[string]*weights.Tensor) {
		for name, w := range maps.Clone(tensors) {
			delete(tensors, name)
			for _, p := range []string{a, b} {
				t := *w
				t.Name = p + name
				tensors[t.Name] = &t
			}
		}
	}
}

func extra(t *testing.T, name string, dt kernels.DType) func(map[string]*weights.Tensor) {
	return func(tensors map[string]*weights.Tensor) {
		w, err := weights.New(name, dt, []int{1}, make([]byte, dt.Size()))
		if err != nil {
			t.Fatal(err)
		}
		tensors[name] = w
	}
}

func TestNamesThatTrainersChangedAreRead(t *testing.T) {
	c := variant(t, "nano")
	official := checkpoint(t, c, nil)
	huggingFace := func(rename func(string) string) func(map[string]*weights.Tensor) {
		return func(ts map[string]*weights.Tensor) { asHuggingFace(t, ts); named(rename)(ts) }
	}
	for name, test := range map[string]struct {
		edit func(map[string]*weights.Tensor)
		note string
	}{
		"nothing":           {named(prefixed("")), ""},
		"data parallelism":  {named(prefixed("module.")), `took the prefix "module." off 359 names`},
		"torch.compile":     {named(prefixed("_orig_mod.")), `took "_orig_mod." out of 359 names`},
		"both":              {named(prefixed("module._orig_mod.")), `took "_orig_mod." out of 359 names; took the prefix "module." off 359 names`},
		"the class around":  {named(prefixed("model.sam2.net.")), `took the prefix "model.sam2.net." off 359 names`},
		"unheard of":        {named(prefixed("a.b-c.7.")), `took the prefix "a.b-c.7." off 359 names`},
		"one compiled part": {named(func(n string) string { return strings.Replace(n, "image_encoder.", "image_encoder._orig_mod.", 1) }), `took "_orig_mod." out of`},
		"gamma":             {named(suffixed(".gamma", ".weight")), "2 tensors renamed: memory_encoder.fuser.layers.#.weight is memory_encoder.fuser.layers.#.gamma"},
		"prefix and gamma":  {named(func(n string) string { return "net." + suffixed(".gamma", ".weight")(n) }), `took the prefix "net." off 359 names; 2 tensors renamed`},
		"hugging face":      {huggingFace(prefixed("model.")), `took the prefix "model." off`},
		"its scale":         {huggingFace(suffixed(".scale", ".weight")), "2 tensors renamed: memory_encoder.memory_fuser.layers.#.weight is"},
		"an average beside": {both("model.", "ema."), `took the prefix "model." off 359 names; there is another network under "ema.": not read`},
		"a counter":         {extra(t, "bn.num_batches_tracked", kernels.I32), "1 tensors that no network needs were not read: bn.num_batches_tracked (i32)"},
	} {
		f := checkpoint(t, c, test.edit)
		m, err := Load(null.New(), c, f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m.Close()
		if got := strings.Join(m.Notes, "; "); !strings.HasPrefix(got, test.note) || test.note == "" && got != "" {
			t.Errorf("%s: said %q, want %q", name, got, test.note)
		}
		view, err := adapt(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Tensors() {
			want, _ := fetch(official, false, s)
			got, err := fetch(view, isHuggingFace(view), s)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %s differs (%v)", name, s.Name, err)
				break
			}
		}
		if info, err := Detect(f); err != nil || !info.Exact || info.Variant != "nano" {
			t.Errorf("%s: detected as %+v, %v", name, info, err)
		}
	}
}

func TestValuesThatAreNotFiniteAreRefused(t *testing.T) {
	c := variant(t, "nano")
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		f := checkpoint(t, c, func(ts map[string]*weights.Tensor) {
			put(t, ts, "no_obj_ptr", append(make([]float32, 127), float32(bad)), 1, 128)
			put(t, ts, "module.unneeded", []float32{1}, 1)
			delete(ts, "module.unneeded")
		})
		dev := null.New()
		_, err := Load(dev, c, f)
		want := "test.safetensors: no_obj_ptr holds NaN or infinity, 1 of its values: these weights cannot be used"
		if err == nil || err.Error() != want || dev.Live() != 0 {
			t.Errorf("%v: %v with %d bytes on the device, want %s", bad, err, dev.Live(), want)
		}
		if info, err := Detect(f); err != nil || info.NotFinite != "no_obj_ptr holds NaN or infinity, 1 of its values" {
			t.Errorf("%v: detected as %+v, %v", bad, info, err)
		}
	}
	f := checkpoint(t, c, func(ts map[string]*weights.Tensor) {
		nan := float32(math.NaN())
		put(t, ts, "no_obj_ptr", append(make([]float32, 126), nan, nan), 1, 128)
		put(t, ts, "mask_downsample.bias", []float32{nan}, 1)
	})
	want := "mask_downsample.bias holds NaN or infinity; so do 3 values in 2 tensors in all"
	if _, err := Load(null.New(), c, f); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// rounding is a device that multiplies in f16.
type rounding struct{ *null.Device }

func (rounding) OperandType() kernels.DType { return kernels.F16 }

func TestWeightsBeyondF16AreRefusedWhereTheyAreRounded(t *testing.T) {
	c := variant(t, "nano")
	large := checkpoint(t, c, func(ts map[string]*weights.Tensor) {
		v, err := ts["obj_ptr_proj.layers.0.weight"].Float32()
		if err != nil {
			t.Fatal(err)
		}
		v[5] = -70000
		put(t, ts, "obj_ptr_proj.layers.0.weight", v, 128, 128)
	})
	m, err := Load(null.New(), c, large)
	if err != nil {
		t.Fatalf("in f32: %v", err)
	}
	m.Close()
	want := "obj_ptr_proj.layers.0.weight: -70000 is beyond what f16 holds (65504): give --precision bf16 or f32"
	if _, err := Load(rounding{null.New()}, c, large); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("in f16: %v, want %s", err, want)
	}
	m, err = Load(rounding{null.New()}, c, checkpoint(t, c, nil))
	if err != nil {
		t.Fatalf("ordinary weights in f16: %v", err)
	}
	m.Close()
}

func TestShapesOfAnotherConfigurationNameTheKey(t *testing.T) {
	c := variant(t, "nano")
	for key, value := range map[string]any{
		"num_maskmem":                                           5,
		"memory_attention.num_layers":                           3,
		"memory_attention.layer.dim_feedforward":                512,
		"memory_encoder.fuser.num_layers":                       3,
		"memory_encoder.out_dim":                                32,
		"sam_mask_decoder.mlp_dim":                              256,
		"sam_mask_decoder.iou_head_hidden_dim":                  64,
		"image_encoder.neck.d_model":                            64,
		"no_obj_embed_spatial":                                  false,
		"image_encoder.trunk.window_pos_embed_bkg_spatial_size": []int{14, 14},
	} {
		other, err := c.Override(map[string]any{key: value})
		if err != nil {
			t.Fatal(err)
		}
		f := checkpoint(t, other, nil)
		_, err = Load(null.New(), c, f)
		want := "--set model.config." + key + "="
		if err == nil || !strings.HasSuffix(err.Error()[:strings.LastIndex(err.Error(), "=")+1], want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 400 {
			t.Errorf("%v, want ... %s", err, want)
			continue
		}
		if info, err := Detect(f); err != nil || info.Exact || !info.Fits || len(info.Set) != 1 || !strings.HasPrefix(info.Set[0], want) {
			t.Errorf("%s: detected as %+v, %v", key, info, err)
		}
		m, err := Load(null.New(), other, f)
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		m.Close()
	}
	less, err := c.Override(map[string]any{"num_maskmem": 3})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Load(null.New(), less, checkpoint(t, c, nil))
	if want := `as published; the pipeline changes it: 1 wrong: maskmem_tpos_enc is [7 1 1 64], want [3 1 1 64]; --set model.config.num_maskmem=7`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want ... %s", err, want)
	}
	tiny, err := variant(t, "tiny").Override(map[string]any{"num_maskmem": 5})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Load(null.New(), c, checkpoint(t, tiny, nil))
	if want := `are of "tiny"; the pipeline asks for "nano" (--variant tiny --set model.config.num_maskmem=5)`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want ... %s", err, want)
	}
}

// Shapes come from a file. One that claims much must not make a network of that size.
func TestHostileShapesDoNotCostMemory(t *testing.T) {
	c := variant(t, "nano")
	for _, shape := range [][]int{{1 << 30, 0}, {1 << 20, 1, 1, 1}, {}} {
		f := checkpoint(t, c, func(ts map[string]*weights.Tensor) {
			for _, s := range sizesOf {
				n := 1
				for _, d := range shape {
					n *= d
				}
				put(t, ts, s.tensor, make([]float32, n), shape...)
			}
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := Load(null.New(), c, f); err == nil {
			t.Errorf("%v fits", shape)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			t.Errorf("%v: %d MiB allocated", shape, used>>20)
		}
	}
}

func TestOtherNetworksAreNamedInOneLine(t *testing.T) {
	c := variant(t, "nano")
	drop := func(prefixes ...string) func(map[string]*weights.Tensor) {
		return func(ts map[string]*weights.Tensor) {
			maps.DeleteFunc(ts, func(n string, _ *weights.Tensor) bool {
				return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(n, p) })
			})
		}
	}
	memory := []string{"memory_", "maskmem_", "obj_ptr", "no_mem", "no_obj", "mask_downsample"}
	with := func(prefix string, names ...string) *weights.File { // of nano what begins with prefix, and other names
		return checkpoint(t, c, func(ts map[string]*weights.Tensor) {
			maps.DeleteFunc(ts, func(n string, _ *weights.Tensor) bool { return prefix == "" || !strings.HasPrefix(n, prefix) })
			for _, n := range names {
				put(t, ts, n, []float32{1}, 1)
			}
		})
	}
	for _, test := range []struct {
		want string
		file *weights.File
	}{
		{"an image network: no memory modules, it cannot track", checkpoint(t, c, drop(memory...))},
		{"an image network: no memory modules, it cannot track", checkpoint(t, c, func(ts map[string]*weights.Tensor) {
			drop(memory...)(ts)
			asHuggingFace(t, ts)
			named(prefixed("model."))(ts)
		})},
		{"LoRA adapters, not a network", with("", "base_model.model.image_encoder.trunk.blocks.0.attn.qkv.lora_A.weight", "base_model.model.image_encoder.trunk.blocks.0.attn.qkv.lora_B.weight")},
		{"LoRA adapters, not a network", with("", "lora_unet_blocks_0.lora_down.weight", "lora_unet_blocks_0.lora_up.weight")},
		{"this is SAM 1 (Segment Anything), not SAM 2", with("", "image_encoder.blocks.0.attn.qkv.weight", "prompt_encoder.no_mask_embed.weight", "mask_decoder.iou_token.weight")},
		{"this is SAM 1 (Segment Anything), not SAM 2", with("", "vision_encoder.layers.0.attn.qkv.weight", "mask_decoder.iou_token.weight")},
		{"this is MobileSAM", with("", "image_encoder.layers.0.blocks.0.conv1.c.weight", "mask_decoder.iou_token.weight")},
		{"this is EfficientTAM", with("memory_", "image_encoder.trunk.blocks.0.attn.qkv.weight", "image_encoder.trunk.pos_embed")},
		{"this is EdgeTAM", with("memory_", "image_encoder.trunk.body.stem.conv1.c.weight", "spatial_perceiver.latents")},
		{"this is YOLO", with("", "model.0.conv.weight", "model.22.dfl.conv.weight")},
		{"this is CLIP", with("", "text_model.embeddings.token_embedding.weight", "vision_model.encoder.layers.0.mlp.fc1.weight")},
		{"this is CLIP", with("", "visual.transformer.resblocks.0.ln_1.weight", "logit_scale")},
		{"this is a Hiera backbone alone", with("", "blocks.0.attn.qkv.weight", "patch_embed.proj.weight", "head.projection.weight")},
		{"this is DINOv2", with("", "blocks.0.ls1.gamma", "cls_token")},
		{"this is a plain vision transformer", with("", "blocks.0.attn.qkv.weight", "cls_token")},
		{"this is a ResNet", with("", "layer1.0.conv1.weight")},
		{"this is a language model", with("", "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight")},
		{"this is not SAM 2 (2 tensors, such as a, b)", with("", "a", "b")},
		{"there is no tensor in it", with("")},
	} {
		_, err := Load(null.New(), variant(t, "tiny"), test.file)
		if err == nil || !strings.HasPrefix(err.Error(), "test.safetensors: "+test.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 250 {
			t.Errorf("%v, want %s", err, test.want)
		}
		if info, err := Detect(test.file); err != nil || !strings.HasPrefix(info.Is, test.want) {
			t.Errorf("%s: detected as %q, %v", test.want, info.Is, err)
		}
	}
	half := checkpoint(t, c, func(ts map[string]*weights.Tensor) {
		for i, n := range slices.Sorted(maps.Keys(ts)) {
			if i%2 == 0 {
				delete(ts, n)
			}
		}
	})
	if _, err := Load(null.New(), c, half); err == nil || !strings.Contains(err.Error(), `the weights do not fit "nano": 180 missing: `) || len(err.Error()) > 400 {
		t.Error(err)
	}
	// Many differences are counted, and few of them named.
	_, err := Load(null.New(), c, checkpoint(t, c, drop("memory_attention.layers.0.")))
	if err == nil || !strings.Contains(err.Error(), "missing: memory_attention.layers.0.") || !strings.Contains(err.Error(), " more") || len(err.Error()) > 400 {
		t.Error(err)
	}
}

// FuzzNames makes a checkpoint of names, each with a shape, and asks what it is.
func FuzzNames(f *testing.F) {
	f.Add("module.no_mem_embed\nmodule.no_obj_ptr\nmodule.maskmem_tpos_enc", 7, 1)
	f.Add("a._orig_mod.b\na.b", 1, 2)
	f.Add("vision_encoder.backbone.pos_embed_window\nmask_decoder.iou_token.weight\n"+pointEmbed, 4, 4)
	f.Add("memory_encoder.fuser.layers.0.weight\nmemory_encoder.fuser.layers.0.gamma", 3, 0)
	f.Add("lora_A\nx.lora_B.weight\nmodel.0.conv.weight", 2, 2)
	f.Add(strings.Repeat("a.", 1000)+"no_mem_embed", 1, 1)
	c, err := Variant("nano")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, names string, rows, columns int) {
		rows, columns = rows&63, columns&63
		var list []*weights.Tensor
		for name := range strings.SplitSeq(names, "\n") {
			w, err := weights.FromFloat32(name, make([]float32, rows*columns), rows, columns)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, w)
		}
		file, err := weights.FromTensors("f", list)
		if err != nil {
			return // a name twice
		}
		if m, err := Load(null.New(), c, file); err == nil {
			m.Close()
			t.Fatal("a few names make a network")
		}
		if info, err := Detect(file); err == nil && info.Exact {
			t.Fatalf("exactly %s", info.Variant)
		}
	})
}

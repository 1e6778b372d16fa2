package sam2

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/null"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
)

// checkpoint returns a random checkpoint in memory, its tensors changed by edit.
func checkpoint(t *testing.T, c Config, edit func(tensors map[string]*weights.Tensor)) *weights.File {
	t.Helper()
	tensors := map[string]*weights.Tensor{}
	for name, w := range Init(c, 1) {
		tensors[name] = w
	}
	if edit != nil {
		edit(tensors)
	}
	var list []*weights.Tensor
	for _, w := range tensors {
		list = append(list, w)
	}
	f, err := weights.FromTensors("test.safetensors", list)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func variant(t *testing.T, name string) Config {
	t.Helper()
	c, err := Variant(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t *testing.T, tensors map[string]*weights.Tensor, name string, values []float32, shape ...int) {
	t.Helper()
	w, err := weights.FromFloat32(name, values, shape...)
	if err != nil {
		t.Fatal(err)
	}
	tensors[name] = w
}

func TestLoadBindsAndFreesEveryWeight(t *testing.T) {
	dev := null.New()
	c := variant(t, "nano")
	m, err := Load(dev, c, checkpoint(t, c, nil))
	if err != nil {
		t.Fatal(err)
	}
	if m.WeightBytes() == 0 || int64(m.WeightBytes()) != dev.Live() {
		t.Errorf("the model says it holds %d bytes, the device %d", m.WeightBytes(), dev.Live())
	}
	m.Close()
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
}

func TestLoadReportsEveryDifferenceAtOnce(t *testing.T) {
	c := variant(t, "nano")
	f := checkpoint(t, c, func(tensors map[string]*weights.Tensor) {
		delete(tensors, "no_mem_embed")
		delete(tensors, "memory_encoder.out_proj.bias")
		put(t, tensors, "no_obj_ptr", make([]float32, 5), 1, 5)
		put(t, tensors, "extra.weight", make([]float32, 2), 2)
		ints, err := weights.New("mask_downsample.bias", kernels.I32, []int{1}, make([]byte, 4))
		if err != nil {
			t.Fatal(err)
		}
		tensors["mask_downsample.bias"] = ints
	})
	_, err := Load(null.New(), c, f)
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) {
		t.Fatalf("got %v, want a mismatch", err)
	}
	if want := []string{"no_mem_embed", "memory_encoder.out_proj.bias"}; !slices.Equal(mismatch.Missing, want) {
		t.Errorf("missing %v, want %v", mismatch.Missing, want)
	}
	if want := []string{"extra.weight"}; !slices.Equal(mismatch.Unused, want) {
		t.Errorf("unused %v, want %v", mismatch.Unused, want)
	}
	for _, want := range []string{"2 missing: ", "1 unused: extra.weight", "2 wrong: ", "no_obj_ptr is [1 5], want [1 128]", "mask_downsample.bias holds i32"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}

func TestLoadNamesTheVariantThatTheWeightsAreOf(t *testing.T) {
	_, err := Load(null.New(), variant(t, "tiny"), checkpoint(t, variant(t, "small"), nil))
	want := `these weights are of "small"; the pipeline asks for "tiny" (--variant small)`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want ... %s", err, want)
	}
	_, err = Load(null.New(), variant(t, "tiny"), checkpoint(t, variant(t, "tiny2.0"), nil))
	if err == nil || !strings.Contains(err.Error(), `are of "tiny2.0"`) {
		t.Errorf("got %v, want the 2.0 variant named", err)
	}
}

// asHuggingFace renames a checkpoint and stacks its point embeddings.
func asHuggingFace(t *testing.T, tensors map[string]*weights.Tensor) {
	var points [4][]float32
	for name, w := range tensors {
		v, err := w.Float32()
		if err != nil {
			t.Fatal(err)
		}
		delete(tensors, name)
		hf, row := huggingFace(name)
		if row >= 0 {
			points[row] = v
			continue
		}
		put(t, tensors, hf, v, w.Shape...)
	}
	put(t, tensors, pointEmbed, slices.Concat(points[:]...), 4, len(points[0]))
}

func TestLoadReadsHuggingFaceNames(t *testing.T) {
	c := variant(t, "nano")
	official := checkpoint(t, c, nil)
	for name, edit := range map[string]func(map[string]*weights.Tensor){
		"as converted": func(map[string]*weights.Tensor) {},
		"both tied": func(ts map[string]*weights.Tensor) {
			v, _ := ts[tiedTo].Float32()
			put(t, ts, tiedEmbedding, v, 2, 64)
		},
		"the other tied": func(ts map[string]*weights.Tensor) {
			v, _ := ts[tiedTo].Float32()
			delete(ts, tiedTo)
			put(t, ts, tiedEmbedding, v, 2, 64)
		},
	} {
		tensors := map[string]*weights.Tensor{}
		for n, w := range Init(c, 1) {
			tensors[n] = w
		}
		asHuggingFace(t, tensors)
		edit(tensors)
		var list []*weights.Tensor
		for _, w := range tensors {
			list = append(list, w)
		}
		f, err := weights.FromTensors("hf.safetensors", list)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Load(null.New(), c, f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m.Close()
		for _, s := range c.Tensors() {
			want, _ := fetch(official, false, s)
			got, err := fetch(f, true, s)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %s differs (%v)", name, s.Name, err)
			}
		}
		if info, err := Detect(f); err != nil || info.Variant != "nano" || !info.Exact || !info.HuggingFace {
			t.Errorf("%s: detected as %+v", name, info)
		}
	}
}

func TestDetectDescribesACheckpoint(t *testing.T) {
	f := checkpoint(t, variant(t, "tiny"), func(ts map[string]*weights.Tensor) { delete(ts, "no_obj_ptr") })
	info, err := Detect(f)
	if err != nil {
		t.Fatal(err)
	}
	if info.Variant != "tiny" || info.Exact || info.Tensors != 470 || !slices.Equal(info.Missing, []string{"no_obj_ptr"}) ||
		info.Bytes[kernels.F32] != 4*info.Parameters {
		t.Errorf("detected as %+v", info)
	}
}

func TestRandomCheckpointFollowsTheGenerator(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape []int
		bits  []uint32 // the first elements with seed 7, from arbitrary-precision integers
	}{
		{"no_mem_embed", []int{1, 1, 256}, []uint32{0x3ef82650, 0x3eee1c64, 0xbe8ff4ec}},
		{"sam_prompt_encoder.point_embeddings.0.weight", []int{1, 256}, []uint32{0x3d921d0f, 0x3d0679fc, 0xbdd2e98d}},
		{"image_encoder.trunk.blocks.0.norm1.weight", []int{96}, []uint32{0x3f8bb1bf, 0x3f6e1018, 0x3f819122}},
		{"image_encoder.trunk.patch_embed.proj.weight", []int{96, 3, 7, 7}, []uint32{0x3d1efaee, 0xbcd58b93, 0xbe0f91bd}},
		{"mask_downsample.bias", []int{1}, []uint32{0x3c258b87}},
		{"memory_encoder.fuser.layers.1.gamma", []int{256}, []uint32{0xbd12a3a7, 0x3cd91fba, 0x3dab0a00}},
		{"sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", []int{2, 128}, []uint32{0xbd9ddb80, 0xbe73a3e0, 0x3f6c261e}},
	} {
		s := Spec{c.name, c.shape}
		v := make([]float32, s.Len())
		random(v, s, 7)
		for i, want := range c.bits {
			if got := math.Float32bits(v[i]); got != want {
				t.Errorf("%s[%d] is %#08x, want %#08x", c.name, i, got, want)
			}
		}
	}
}

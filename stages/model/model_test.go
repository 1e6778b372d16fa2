package model

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels/null"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
)

// randomNano writes random weights of nano, one tensor of which is changed by edit.
func randomNano(t *testing.T, path, tensor string, edit func([]float32)) {
	t.Helper()
	c, err := sam2.Variant("nano")
	if err != nil {
		t.Fatal(err)
	}
	all := tensors(c, 1)
	for i, w := range all {
		if w.Name != tensor {
			continue
		}
		v, err := w.Float32()
		if err != nil {
			t.Fatal(err)
		}
		edit(v)
		if all[i], err = weights.FromFloat32(w.Name, v, w.Shape...); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := weights.WriteSafetensors(&b, all, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedWeightsAreBadDataBeforeTheFirstFrame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nan.safetensors")
	randomNano(t, path, "no_mem_embed", func(v []float32) { v[3] = float32(math.NaN()) })
	_, err := Load(null.New(), graph.ModelSettings{Set: true, Variant: "nano", Weights: path})
	bad, ok := errors.AsType[*graph.Error](err)
	if !ok || bad.Kind != graph.BadData || !strings.Contains(err.Error(), path+": no_mem_embed holds NaN or infinity") {
		t.Errorf("%v", err)
	}
	info, err := Inspect(path)
	if err != nil || !info.Exact || info.NotFinite == "" {
		t.Errorf("%+v, %v", info, err)
	}
}

// A run that goes on from a checkpoint compares its weights, whatever they were named by.
func TestWeightsOfAFolderHaveTheHashOfItsFile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "hf")
	file := filepath.Join(folder, "model.safetensors")
	randomNano(t, file, "", nil)
	hash := func(path string) string {
		h, err := Hash(graph.ModelSettings{Weights: path})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if hash(folder) != hash(file) || hash(file) == hash(graph.Embedded) {
		t.Errorf("folder %s, file %s, embedded %s", hash(folder), hash(file), hash(graph.Embedded))
	}
	if _, err := Hash(graph.ModelSettings{Weights: folder + "/none"}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
}

func TestMistakesInTheModelAreReportedWhereTheirKeysStand(t *testing.T) {
	plan := func(variant string, keys map[string]any) *graph.Plan {
		return &graph.Plan{Model: graph.ModelSettings{Set: true, Variant: variant, Config: keys},
			Locate: func(key, message string) graph.Diagnostic { return graph.Diagnostic{File: key, Message: message} }}
	}
	for _, c := range []struct {
		plan *graph.Plan
		want graph.Diagnostics
	}{
		{plan("nano", map[string]any{"num_maskmem": 3}), nil},
		{plan("medium", nil), graph.Diagnostics{{File: "model.variant", Message: `no variant "medium" (there are `}}},
		{plan("tiny", map[string]any{"num_maskmem": 0, "memory_encoder": map[string]any{"fuser": map[string]any{"layer": map[string]any{"padding": 0}}}}), graph.Diagnostics{
			{File: "model.config.num_maskmem", Message: "num_maskmem = 0, want 1 to 1000"},
			{File: "model.config.memory_encoder.fuser.layer", Message: "memory_encoder.fuser.layer: kernel_size = 7 with padding = 0 changes the side"}}},
		{plan("tiny", map[string]any{"image_sice": 1}), graph.Diagnostics{
			{File: "model.config.image_sice", Message: `image_sice: no such key; did you mean "image_size"?`}}},
	} {
		err := Check(c.plan)
		got, _ := errors.AsType[graph.Diagnostics](err)
		if len(got) != len(c.want) || err != nil && got == nil {
			t.Errorf("%v: %v, want %v", c.plan.Model, err, c.want)
			continue
		}
		for i, w := range c.want {
			if got[i].File != w.File || !strings.HasPrefix(got[i].Message, w.Message) {
				t.Errorf("%v: %+v, want %+v", c.plan.Model, got[i], w)
			}
		}
	}
}

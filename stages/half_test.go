package stages

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/load"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
	"github.com/seed49bbd0e6/tachi/kernels/kerneltest"
	"github.com/seed49bbd0e6/tachi/stages/internal/score"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
	"github.com/seed49bbd0e6/tachi/stages/model"
	"github.com/seed49bbd0e6/tachi/stages/synthetic"
)

var (
	halfOf     = flag.String("half", "", "variants, with commas, whose masks in 16 bits are looked at too: random weights, full size")
	halfFrames = flag.Int("half-frames", 8, "frames of each of them")
)

// halfNetwork is a network, and a clip for it to track in.
type halfNetwork struct {
	name   string
	model  graph.ModelSettings
	clip   synthetic.Options
	prompt []float32 // box x0, y0, x1, y1
}

// What a GPU multiplies in unless told otherwise, float16, gives the masks of float32: they overlap
// by 0.99 at least, with trained weights and with random ones. bfloat16 does not, with random ones:
// it is reported, and held to 0.96.
func TestMasksInHalfPrecision(t *testing.T) {
	for _, n := range halfNetworks(t) {
		t.Run(n.name, func(t *testing.T) {
			want := n.masks(t, kernels.F32)
			for _, c := range []struct {
				to    kernels.DType
				least float64
			}{{kernels.F16, 0.99}, {kernels.BF16, 0.96}} {
				sum, worst, count := 0.0, 1.0, 0
				for i, got := range n.masks(t, c.to) {
					if a, b := above(got), above(want[i]); slices.Contains(a, 1) || slices.Contains(b, 1) {
						iou := score.IoU(a, b)
						sum, worst, count = sum+iou, min(worst, iou), count+1
					}
				}
				mean := sum / float64(max(count, 1))
				t.Logf("%s: overlap of %d masks with those of float32: mean %.4f, worst %.4f", c.to, count, mean, worst)
				if mean < c.least {
					t.Errorf("%s: masks overlap by %.4f, want %.2f at least", c.to, mean, c.least)
				}
			}
		})
	}
}

func halfNetworks(t *testing.T) []halfNetwork {
	var nano struct {
		Family string
		Seed   int
		Box    []float32
	}
	readJSON(t, "nano_sam2.json", &nano)
	all := []halfNetwork{{"nano", graph.ModelSettings{Variant: "nano", Weights: graph.Embedded},
		synthetic.Options{Family: nano.Family, Seed: nano.Seed, Frames: 16, Width: 256, Height: 256, FPS: 30}, nano.Box}}
	random := func(name, variant string, frames int, config map[string]any) {
		path := filepath.Join(t.TempDir(), "random.safetensors")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := model.WriteRandom(f, variant, config, 1, true); err != nil {
			t.Fatal(err)
		}
		all = append(all, halfNetwork{name, graph.ModelSettings{Variant: variant, Weights: path, Config: config},
			synthetic.Options{Family: "easy", Seed: 1, Frames: frames, Width: 640, Height: 360, FPS: 30}, []float32{200, 100, 300, 200}})
	}
	random("random tiny of 256", "tiny", 4, map[string]any{"image_size": 256})
	for variant := range strings.SplitSeq(*halfOf, ",") {
		if variant != "" {
			random("random "+variant, variant, *halfFrames, nil)
		}
	}
	return all
}

// masks tracks on the CPU and returns all candidates of all frames, as logits. Products round their
// factors as told.
func (n halfNetwork) masks(t *testing.T, to kernels.DType) (all [][]float32) {
	t.Helper()
	on, err := cpu.New(0)
	if err != nil {
		t.Fatal(err)
	}
	dev := kernels.Device(on)
	if to != kernels.F32 {
		dev = kerneltest.Half{Device: on, To: to}
	}
	env, done := loadedEnv(t, dev, n.model)
	run := goldenRun{Frames: n.clip.Frames}
	run.Prompt.Box = n.prompt
	w := &walk{env: env}
	w.open(t, rules["sam2"], load.Overrides{}, goldenSource(pixels(n.clip), n.clip.Width, n.clip.Height, run))
	w.run(t, func() {
		masks := w.token("masks", "candidates").(*token.Candidates).Objects[0].Masks
		logits, err := kernels.Read[float32](dev, masks)
		if err != nil {
			t.Fatal(err)
		}
		for size := len(logits) / masks.Dim(0); len(logits) > 0; logits = logits[size:] {
			all = append(all, logits[:size])
		}
	})
	w.release()
	done()
	return all
}

package stages

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/load"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/score"
	"github.com/seed49bbd0e6/tachi/stages/internal/testdevice"
	"github.com/seed49bbd0e6/tachi/stages/model"
	"github.com/seed49bbd0e6/tachi/stages/synthetic"
)

// The trained network in the program tracks a made-up clip as the official predictors do with the
// same weights, under the rules of SAM 2 and of SAMURAI: every choice, box and memory, and the
// logits as closely as in TestTrackedFramesMatchTheReference. The goldens hold as well what the
// reference does with the weights as they were before they were stored as float16.
func TestNanoTracksLikeTheReference(t *testing.T) {
	for name, text := range rules {
		t.Run(name, func(t *testing.T) {
			var want struct {
				Family string
				Seed   int
				Box    []float32
				Frames []goldenFrame
				Drift  float64 `json:"float32_drift"`
			}
			readJSON(t, "nano_"+name+".json", &want)
			o := synthetic.Options{Family: want.Family, Seed: want.Seed, Frames: len(want.Frames), Width: 256, Height: 256, FPS: 30}
			run := goldenRun{Frames: len(want.Frames)}
			run.Prompt.Box = want.Box

			dev := testdevice.Open(t, 2)
			env, done := loadedEnv(t, dev, graph.ModelSettings{Variant: "nano", Weights: graph.Embedded})
			w := &walk{env: env}
			w.open(t, text, load.Overrides{}, goldenSource(pixels(o), o.Width, o.Height, run))
			file := openGolden(t, "nano_"+name)
			tolerance := min(10*want.Drift, 1e-3)
			k := &checker{T: t, walk: w, want: want.Frames, tolerance: tolerance, iou: tolerance, // a mask's pixel that flips moves both
				logits: file.floats(t, "logits"), pointers: file.floats(t, "pointers")}
			w.run(t, k.frame)
			if k.seen != len(k.want) {
				t.Errorf("%d frames, want %d", k.seen, len(k.want))
			}
			t.Logf("logits within %.1e of their range (%.1e allowed), pointers %.1e, IoUs %.1e, object logits %.1e",
				k.worst["logits"], k.tolerance, k.worst["pointer"], k.worst["IoU"], k.worst["object logit"])
			w.release()
			done()
		})
	}
}

// loadedEnv loads a network on a device, and returns what closes both.
func loadedEnv(t *testing.T, dev kernels.Device, s graph.ModelSettings) (*graph.Env, func()) {
	t.Helper()
	model, err := model.Load(dev, s)
	if err != nil {
		t.Fatal(err)
	}
	return &graph.Env{Device: dev, Model: model.Network, Batch: 1, Micro: 1, Log: zerolog.Nop()}, func() {
		model.Close()
		if err := dev.Close(); err != nil {
			t.Error(err) // says what a stage has left allocated
		}
	}
}

// pixels draws a clip.
func pixels(o synthetic.Options) (rgb []byte) {
	s := o.Scene()
	n := o.Width * o.Height
	rgb = make([]byte, 3*n*o.Frames)
	masks := make([]byte, s.Things()*n)
	for t := range o.Frames {
		s.Draw(t, rgb[3*n*t:][:3*n], masks)
	}
	return rgb
}

// Storing the weights as float16 costs next to nothing: the reference's masks with what was stored
// overlap those with the float32 that it was rounded from.
func TestFloat16WeightsGiveTheMasksOfFloat32(t *testing.T) {
	for name := range rules {
		file := openGolden(t, "nano_"+name)
		stored, full := file.floats(t, "logits"), file.floats(t, "full/logits")
		shape, _ := file.Lookup("logits")
		pixels := shape.Shape[1] * shape.Shape[2]
		worst, sum := 1.0, 0.0
		for f := range shape.Shape[0] {
			iou := score.IoU(above(stored[f*pixels:][:pixels]), above(full[f*pixels:][:pixels]))
			worst, sum = min(worst, iou), sum+iou
		}
		mean := sum / float64(shape.Shape[0])
		t.Logf("%s: mask IoU of float16 and float32 weights: mean %.4f, worst %.4f", name, mean, worst)
		if mean < 0.98 || worst < 0.9 {
			t.Errorf("%s: mask IoU of float16 and float32 weights: mean %.4f, worst %.4f", name, mean, worst)
		}
	}
}

// above is the mask of what is above zero.
func above(logits []float32) []uint8 {
	mask := make([]uint8, len(logits))
	for i, v := range logits {
		if v > 0 {
			mask[i] = 1
		}
	}
	return mask
}

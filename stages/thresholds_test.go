package stages

import (
	"bytes"
	"context"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/choose"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/testdevice"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
	"github.com/seed49bbd0e6/tachi/stages/memoryencode"
	"github.com/seed49bbd0e6/tachi/stages/sam2select"
	"github.com/seed49bbd0e6/tachi/stages/samuraiselect"
)

// No frame of the goldens has a logit that is exactly a threshold. The reference's comparisons are
// strict: an object on the threshold does not appear, its mask and pointer are blanked, and its
// memory is that of an absent one.

func TestAnObjectOnTheThresholdDoesNotAppear(t *testing.T) {
	env, model := reducedEnv(t)
	for _, c := range []struct {
		name    string
		stage   *graph.Stage
		options any
		logit   float32
	}{
		{"sam2", sam2select.Stage, &sam2select.Options{MinLogit: 0, Common: choose.Common{}}, 0},
		{"samurai", samuraiselect.Stage, &samuraiselect.Options{StableFrames: 15, StableIoU: 0.3, MinLogit: -1}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := kernels.NewScope(env.Device)
			defer s.Close()
			side, d := model.Config().MaskSide(), model.Config().Dim()
			cand := &token.Candidates{Header: plainHeader(), Dev: env.Device, Objects: []token.Candidate{{
				Object: 1, PointerLogit: c.logit, Multimask: true,
				Decoded: sam2.Decoded{Masks: s.Upload(constant(3*side*side, 5), 3, side, side),
					Tokens: s.Upload(constant(3*d, 1), 3, d), IoU: []float32{0.5, 0.6, 0.7}, ObjectLogit: c.logit},
			}}}
			node, err := c.stage.Open(env, c.options)
			if err != nil {
				t.Fatal(err)
			}
			var sel *token.Selection
			var res *token.Result
			if c.name == "sam2" {
				out := fire(t, node, &sam2select.In{Candidates: cand}).(*sam2select.Out)
				sel, res = out.Selection, out.Result
			} else {
				out := fire(t, node, &samuraiselect.In{Candidates: cand}).(*samuraiselect.Out)
				sel, res = out.Selection, out.Result
			}
			defer sel.Release()
			for _, v := range res.Objects[0].Logits {
				if v != -1024 {
					t.Fatalf("a logit of the mask is %v, want -1024 everywhere", v)
				}
			}
			absent, err := model.ObjectPointer(cand.Objects[0].Tokens.Index(2), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer env.Device.Free(absent)
			if !bytes.Equal(raw(t, env.Device, sel.Objects[0].Pointer), raw(t, env.Device, absent)) {
				t.Error("the pointer is not that of no object")
			}
		})
	}
}

func TestAMemoryWithLogitZeroIsThatOfAnAbsentObject(t *testing.T) {
	env, model := reducedEnv(t)
	s := kernels.NewScope(env.Device)
	defer s.Close()
	side, d := model.Config().Side(), model.Config().Dim()
	f2, mask := s.Upload(constant(side*side*d, 0.5), side, side, d), s.Upload(constant(16*side*side, 1), 4*side, 4*side)
	node, err := memoryencode.Stage.Open(env, &memoryencode.Options{Policy: "recent", Binarize: new(false)})
	if err != nil {
		t.Fatal(err)
	}
	h := plainHeader()
	out := fire(t, node, &memoryencode.In{
		Features: &token.Features{Header: h, Dev: env.Device, Features: sam2.Features{F2: f2}},
		Selection: &token.Selection{Header: h, Dev: env.Device, Objects: []token.Selected{
			{Object: 1, Mask: mask, Pointer: s.Upload(constant(d, 1), d), ObjectLogit: 0, Prompted: true},
		}},
	}).(*memoryencode.Out)
	defer out.Bank.Release()
	want, err := model.EncodeMemory(f2, mask, false, true)
	if err != nil {
		t.Fatal(err)
	}
	defer env.Device.Free(want)
	if got := out.Bank.Objects[0].Prompts[0].Features; !bytes.Equal(raw(t, env.Device, got.Tensor), raw(t, env.Device, want)) {
		t.Error("the memory lacks the embedding of an absent object")
	}
}

// reducedEnv is what stages get, with the reduced network.
func reducedEnv(t *testing.T) (*graph.Env, *sam2.Model) {
	t.Helper()
	dev := testdevice.Open(t, 2)
	var c goldenConfig
	readJSON(t, "reduced.json", &c)
	model := reducedModel(t, dev, c)
	t.Cleanup(func() {
		model.Close()
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	return &graph.Env{Device: dev, Model: model, Batch: 1, Micro: 1, Log: zerolog.Nop()}, model
}

func plainHeader() *token.Header {
	return &token.Header{Stream: &token.Stream{Width: 96, Height: 80, Frames: 40}, Objects: []int{1}}
}

func fire(t *testing.T, node *graph.Node, in any) any {
	t.Helper()
	out, err := node.Fire(context.Background(), []any{in})
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func constant(n int, v float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// raw returns a tensor's bytes.
func raw(t *testing.T, dev kernels.Device, x *kernels.Tensor) []byte {
	t.Helper()
	out := make([]byte, x.Bytes())
	if err := dev.Download(out, x); err != nil {
		t.Fatal(err)
	}
	return out
}

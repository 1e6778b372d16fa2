package dump

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/teststage"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// taps are tokens of every type for objects 1 and 7 of a frame.
func taps(b *teststage.Bench, frame int) *token.Taps {
	h := b.Header(frame, 1, 7)
	var freed []*kernels.Tensor
	random := func(seed int, shape ...int) *kernels.Tensor {
		x := b.Random(seed, shape...)
		freed = append(freed, x)
		return x
	}
	b.Cleanup(func() {
		for _, x := range freed {
			b.Dev.Free(x)
		}
	})
	in := &token.Taps{
		Frame:       &token.Frame{Header: h, RGB: make([]uint8, 3*teststage.Width*teststage.Height)},
		Image:       &token.Image{Header: h, Pixels: random(1, 4, 4, 3)},
		Features:    &token.Features{Header: h, Features: sam2.Features{F0: random(2, 4, 4, 1), F1: random(3, 2, 2, 2), F2: random(4, 1, 1, 4)}},
		Conditioned: &token.Conditioned{Header: h}, Candidates: &token.Candidates{Header: h}, Selection: &token.Selection{Header: h},
		Result: &token.Result{Header: h}, Bank: &token.Bank{}, Report: &token.MemoryReport{Header: h},
	}
	in.Frame.RGB[5] = 77
	for _, object := range h.Objects {
		in.Conditioned.Objects = append(in.Conditioned.Objects, random(10+object, 1, 4))
		in.Candidates.Objects = append(in.Candidates.Objects, token.Candidate{Object: object, Decoded: sam2.Decoded{
			Masks: random(20+object, 3, 2, 2), Tokens: random(30+object, 3, 4), IoU: []float32{0.1, 0.2, 0.3}, ObjectLogit: float32(object)}})
		in.Selection.Objects = append(in.Selection.Objects, token.Selected{Object: object, Mask: random(40+object, 2, 2), Pointer: random(50+object, 4)})
		in.Result.Objects = append(in.Result.Objects, &token.Tracked{Object: object, Side: 2, Width: 8, Height: 8, Appears: true, Logits: []float32{1, -1, -1, -1}})
		// The prompt is of frame 0, the newest memory of this frame.
		memory := func(frame int) *token.Memory {
			return &token.Memory{Frame: frame, Features: token.Share(b.Dev, random(60+frame, 2, 2)), Pointer: token.Share(b.Dev, random(70+frame, 4))}
		}
		in.Bank.Objects = append(in.Bank.Objects, &token.ObjectBank{Object: object, Prompts: []*token.Memory{memory(0)}, Recent: []*token.Memory{memory(frame)}})
	}
	return in
}

func TestEveryFieldOfEveryTokenIsInTheFile(t *testing.T) {
	b := teststage.New(t)
	path := filepath.Join(t.TempDir(), "x.safetensors")
	node := b.Open(Stage, &Options{Path: graph.OutPath(path)})
	in := taps(b, 12)
	b.Fire(node, in)
	b.Fire(node, &token.Taps{Image: &token.Image{Header: b.Header(13), Pixels: in.Image.Pixels}}) // a token alone
	if err := node.Close(nil); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := []string{"frame/000012/rgb", "image/000012/pixels", "image/000013/pixels", "features/000012/f0", "features/000012/f1", "features/000012/f2"}
	for _, object := range []string{"/000012/1/", "/000012/7/"} {
		for _, field := range []string{"conditioned:features", "candidates:masks", "candidates:tokens", "candidates:iou", "candidates:object_logit",
			"selection:mask", "selection:pointer", "result:logits", "result:box", "bank:features", "bank:pointer"} {
			port, name, _ := strings.Cut(field, ":")
			want = append(want, port+object+name)
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(slices.Values(f.Names())); !slices.Equal(got, want) {
		t.Fatalf("%q\nwant %q", got, want)
	}
	for name, x := range map[string]*kernels.Tensor{
		"features/000012/f1": in.Features.F1, "conditioned/000012/7/features": in.Conditioned.Objects[1], "candidates/000012/1/tokens": in.Candidates.Objects[0].Tokens,
		"selection/000012/7/mask": in.Selection.Objects[1].Mask, "bank/000012/1/pointer": in.Bank.Objects[0].Recent[0].Pointer.Tensor,
	} {
		stored, _ := f.Lookup(name)
		v, err := stored.Float32()
		if err != nil || !slices.Equal(stored.Shape, x.Shape) || !slices.Equal(v, b.Floats(x)) {
			t.Errorf("%s is %v of shape %v (%v)", name, v, stored.Shape, err)
		}
	}
	for name, want := range map[string][]float32{"candidates/000012/7/object_logit": {7}, "candidates/000012/1/iou": {0.1, 0.2, 0.3}, "result/000012/1/logits": {1, -1, -1, -1}} {
		stored, _ := f.Lookup(name)
		if v, err := stored.Float32(); err != nil || !slices.Equal(v, want) {
			t.Errorf("%s is %v (%v), want %v", name, v, err, want)
		}
	}
}

func TestAFailedRunLeavesAPartialFileOnly(t *testing.T) {
	b := teststage.New(t)
	path := filepath.Join(t.TempDir(), "x.safetensors")
	node := b.Open(Stage, &Options{Path: graph.OutPath(path)})
	b.Fire(node, &token.Taps{Frame: taps(b, 3).Frame})
	if err := node.Close(errors.New("the run failed")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("%s is there: %v", path, err)
	}
	f, err := weights.Open(filepath.Join(filepath.Dir(path), "x.partial.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !slices.Equal(f.Names(), []string{"frame/000003/rgb"}) {
		t.Errorf("it holds %q", f.Names())
	}
}

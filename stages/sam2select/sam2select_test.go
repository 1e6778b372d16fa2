package sam2select

import (
	"slices"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/teststage"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

func TestTheHighestPredictedIoUIsChosenForEachObject(t *testing.T) {
	b := teststage.New(t)
	node := b.Open(Stage, &Options{MinLogit: 0.5})
	side, d := b.Model.Config().MaskSide(), b.Model.Config().Dim()
	h := b.Header(2, 1, 3, 4)
	h.Prompts = []token.Prompt{{Object: 3, Box: &token.Box{X1: 1, Y1: 1}}}
	candidate := func(object int, logit float32, iou ...float32) token.Candidate {
		n := len(iou)
		return token.Candidate{Object: object, Multimask: n > 1, PointerLogit: logit, Decoded: sam2.Decoded{
			Masks: b.Random(object, n, side, side), Tokens: b.Random(10+object, n, d), IoU: iou, ObjectLogit: logit}}
	}
	in := &token.Candidates{Header: h, Dev: b.Dev, Objects: []token.Candidate{
		candidate(1, 2, 0.3, 0.9, 0.9), // the first of equals
		candidate(3, 2, 0.1),
		candidate(4, 0.4, 0.2, 0.3, 0.8), // does not appear
	}}
	defer in.Release()
	out := b.Fire(node, &In{in})[0].(*Out)
	defer out.Selection.Release()
	if out.Selection.Header != h || out.Result.Header != h || len(out.Selection.Objects) != 3 || len(out.Result.Objects) != 3 {
		t.Fatalf("%+v, %+v", out.Selection, out.Result)
	}
	for i, want := range []struct {
		chosen  int
		appears bool
		lambda  float32
	}{{1, true, 1}, {0, true, 1}, {2, false, 0}} {
		c, sel, res := in.Objects[i], out.Selection.Objects[i], out.Result.Objects[i]
		if sel.Object != c.Object || res.Object != c.Object || res.Chosen != want.chosen || res.Appears != want.appears ||
			res.IoU != c.IoU[want.chosen] || sel.IoU != res.IoU || sel.ObjectLogit != c.ObjectLogit || sel.Prompted != (c.Object == 3) ||
			sel.KFScore != nil || res.FilterStage != "" || res.Width != teststage.Width || res.Height != teststage.Height {
			t.Errorf("object %d: %+v, %+v; want %+v", c.Object, sel, res, want)
		}
		logits := b.Floats(c.Masks)[want.chosen*side*side:][:side*side]
		if !want.appears {
			logits = slices.Repeat([]float32{-1024}, side*side)
		}
		if !slices.Equal(b.Floats(sel.Mask), logits) || !slices.Equal(res.Logits, logits) || res.Lost() == want.appears {
			t.Errorf("object %d: the mask is not the candidate's", c.Object)
		}
		pointer, err := b.Model.ObjectPointer(c.Tokens.Index(want.chosen), want.lambda)
		if err != nil {
			t.Fatal(err)
		}
		b.Same("pointer", sel.Pointer, pointer)
	}
}

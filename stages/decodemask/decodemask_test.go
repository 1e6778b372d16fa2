package decodemask

import (
	"slices"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/teststage"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// decode fires the stage on a frame with prompts. Its objects' vision features are all different.
func decode(b *teststage.Bench, o *Options, prompts []token.Prompt, objects ...int) (*token.Features, *token.Conditioned, *token.Candidates) {
	h := b.Header(4, objects...)
	h.Prompts = prompts
	f := b.Features(h)
	cond := &token.Conditioned{Header: h, Dev: b.Dev}
	side, d := b.Model.Config().Side(), b.Model.Config().Dim()
	for _, object := range objects {
		cond.Objects = append(cond.Objects, b.Random(100+object, side*side, d))
	}
	out := b.Fire(b.Open(Stage, o), &In{f, cond})[0].(*Out).Candidates
	b.Cleanup(func() { f.Release(); cond.Release(); out.Release() })
	return f, cond, out
}

func TestPromptsReachTheDecoderInModelPixels(t *testing.T) {
	b := teststage.New(t)
	f, cond, out := decode(b, &Options{}, []token.Prompt{
		{Object: 1, Points: []token.Point{{X: 20, Y: 15, Label: 1}}},
		{Object: 2, Box: &token.Box{X0: 8, Y0: 6, X1: 40, Y1: 30}, Points: []token.Point{{X: 72, Y: 54, Label: 0}}},
	}, 1, 2, 5)
	// The video is 80 x 60, the network's square 64 x 64.
	points := [][]sam2.PointPrompt{
		{{X: 16, Y: 16, Label: sam2.OnObject}},
		{{X: 6.4, Y: 6.4, Label: sam2.BoxTopLeft}, {X: 32, Y: 32, Label: sam2.BoxBottomRight}, {X: 57.6, Y: 57.6, Label: sam2.OffObject}},
		nil,
	}
	if out.Header != f.Header || len(out.Objects) != 3 {
		t.Fatalf("%d objects of frame %d", len(out.Objects), out.Index)
	}
	for i, got := range out.Objects {
		several := i != 1 // a box and a click are three points, more than multimask_max_pt_num
		want, err := b.Model.Decode(sam2.DecodeInput{F: f.Features, Conditioned: cond.Objects[i], Points: points[i], Multimask: several})
		if err != nil {
			t.Fatal(err)
		}
		if got.Object != f.Objects[i] || got.Multimask != several || got.MaskPrompt || got.PointerLogit != want.ObjectLogit ||
			got.ObjectLogit != want.ObjectLogit || !slices.Equal(got.IoU, want.IoU) {
			t.Errorf("object %d: %+v, want %+v", f.Objects[i], got, want)
		}
		b.Same("masks", got.Masks, want.Masks)
		b.Same("tokens", got.Tokens, want.Tokens)
	}
}

func TestTheNumberOfMasksFollowsTheOptions(t *testing.T) {
	no, none, two := false, 0, 2
	click := []token.Prompt{{Object: 1, Points: []token.Point{{X: 1, Y: 1, Label: 1}}}}
	box := []token.Prompt{{Object: 1, Box: &token.Box{X1: 9, Y1: 9}}}
	for _, c := range []struct {
		what    string
		o       Options
		prompts []token.Prompt
		masks   int
	}{
		{"a click", Options{}, click, 3},
		{"a box", Options{}, box, 1},
		{"tracked", Options{}, nil, 3},
		{"a box counts as two", Options{MultimaskMaxPoints: &two}, box, 3},
		{"a click is too many", Options{MultimaskMaxPoints: &none}, click, 1},
		{"tracked is too few", Options{MultimaskMinPoints: &two, MultimaskMaxPoints: &two}, nil, 1},
		{"one for tracking", Options{MultimaskForTracking: &no}, nil, 1},
		{"one for tracking, a click", Options{MultimaskForTracking: &no}, click, 3},
		{"one at all", Options{MultimaskInSAM: &no}, click, 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := teststage.New(t)
			_, _, out := decode(b, &c.o, c.prompts, 1)
			got := out.Objects[0]
			side, d := b.Model.Config().MaskSide(), b.Model.Config().Dim()
			if !slices.Equal(got.Masks.Shape, []int{c.masks, side, side}) || !slices.Equal(got.Tokens.Shape, []int{c.masks, d}) || len(got.IoU) != c.masks {
				t.Errorf("masks %v, tokens %v, %d IoUs; want %d", got.Masks, got.Tokens, len(got.IoU), c.masks)
			}
		})
	}
}

func TestAMaskIsItsOwnAnswerOrRefined(t *testing.T) {
	const n = teststage.Width * teststage.Height
	left := &token.Mask{W: teststage.Width, H: teststage.Height, Pix: make([]uint8, n)}
	for i := range left.Pix {
		if i%left.W < left.W/2 {
			left.Pix[i] = 1
		}
	}
	empty := &token.Mask{W: left.W, H: left.H, Pix: make([]uint8, n)}
	prompts := []token.Prompt{{Object: 1, Mask: left}, {Object: 2, Mask: empty}}
	b := teststage.New(t)
	_, _, out := decode(b, &Options{}, prompts, 1, 2)
	side := b.Model.Config().MaskSide()
	for i, logit := range []float32{10, -10} {
		got := out.Objects[i]
		if !got.MaskPrompt || got.ObjectLogit != logit || !slices.Equal(got.IoU, []float32{1}) || !slices.Equal(got.Masks.Shape, []int{1, side, side}) {
			t.Fatalf("object %d: %+v", i+1, got)
		}
		for at, v := range b.Floats(got.Masks) {
			if x := at % side; x != side/2-1 && x != side/2 && (v > 0) != (i == 0 && x < side/2) { // the border is soft
				t.Fatalf("object %d: logit %v at column %d of %d", i+1, v, x, side)
			}
		}
	}
	refine := false
	_, _, refined := decode(b, &Options{MaskAsOutput: &refine}, prompts[:1], 1)
	_, _, tracked := decode(b, &Options{}, nil, 1)
	got, free := refined.Objects[0], tracked.Objects[0]
	if got.MaskPrompt || got.ObjectLogit == 10 || !got.Multimask || slices.Equal(b.Bytes(got.Masks), b.Bytes(free.Masks)) {
		t.Errorf("refined: %+v; the mask does not reach the decoder", got)
	}
}

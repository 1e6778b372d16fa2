package sam2encode

import (
	"bytes"
	"slices"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/internal/teststage"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

func TestAFramesFeaturesDoNotDependOnItsNeighbours(t *testing.T) {
	b := teststage.New(t)
	node := b.Open(Stage, &Options{})
	c := b.Model.Config()
	s, d := c.ImageSize, c.Dim()
	var in []any
	for i := range 2 {
		image := &token.Image{Header: b.Header(i), Dev: b.Dev, Pixels: b.Random(i, s, s, 3)}
		defer image.Release()
		in = append(in, &In{image})
	}
	var first [][]byte
	for i, out := range b.Fire(node, in...) {
		f := out.(*Out).Features
		defer f.Release()
		alone := b.Fire(node, in[i])[0].(*Out).Features
		defer alone.Release()
		if f.Header != in[i].(*In).Image.Header || f.Dev != b.Dev {
			t.Errorf("frame %d came out as frame %d", i, f.Index)
		}
		for k, shape := range [][]int{{s / 4, s / 4, d / 8}, {s / 8, s / 8, d / 4}, {s / 16, s / 16, d}} {
			together, apart := f.All()[k], alone.All()[k]
			if !slices.Equal(together.Shape, shape) || !bytes.Equal(b.Bytes(together), b.Bytes(apart)) {
				t.Errorf("frame %d, F%d: %v, want %v as it is alone", i, k, together, shape)
			}
		}
		first = append(first, b.Bytes(f.F2))
	}
	if bytes.Equal(first[0], first[1]) {
		t.Error("two pictures have the same features")
	}
}

package h2d

import (
	"math"
	"slices"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/internal/teststage"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

func TestAFrameBecomesTheNormalisedSquareOnTheDevice(t *testing.T) {
	b := teststage.New(t)
	node := b.Open(Stage, &Options{})
	frame := &token.Frame{Header: b.Header(7, 1), RGB: make([]uint8, 3*teststage.Width*teststage.Height)}
	for i := range frame.RGB {
		frame.RGB[i] = []uint8{200, 100, 0}[i%3]
	}
	before := slices.Clone(frame.RGB)
	image := b.Fire(node, &In{frame})[0].(*Out).Image
	defer image.Release()

	side := b.Model.Config().ImageSize
	if image.Header != frame.Header || !slices.Equal(image.Pixels.Shape, []int{side, side, 3}) {
		t.Fatalf("%+v of shape %v", image.Header, image.Pixels.Shape)
	}
	mean, std := []float64{0.485, 0.456, 0.406}, []float64{0.229, 0.224, 0.225} // of ImageNet
	for i, v := range b.Floats(image.Pixels) {
		c := i % 3
		if want := (float64(before[c])/255 - mean[c]) / std[c]; math.Abs(float64(v)-want) > 1e-6 {
			t.Fatalf("value %d is %v, want %v", i, v, want)
		}
	}
	if !slices.Equal(frame.RGB, before) {
		t.Error("the frame was changed")
	}
	if !Stage.Lease {
		t.Error("the stage takes no lease")
	}
}

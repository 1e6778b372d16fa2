package token

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The mask is the plain bilinear one, pixel by pixel, whatever is skipped on the way.
func TestMaskIsTheEnlargedLogitsCutAtZero(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for trial := range 300 {
		side, w, h := 1+r.IntN(9), 1+r.IntN(40), 1+r.IntN(40)
		got := &Tracked{Side: side, Width: w, Height: h, Appears: true, Logits: make([]float32, side*side)}
		for i := range got.Logits {
			if got.Logits[i] = float32(r.NormFloat64() - 1.5); r.IntN(4) == 0 {
				got.Logits[i] = 0
			}
		}
		x0, x1, fx := axis(side, w)
		y0, y1, fy := axis(side, h)
		want, any, box := make([]uint8, w*h), false, [4]int{w, h, 0, 0}
		for y := range h {
			for x := range w {
				a, b := got.Logits[y0[y]*side:], got.Logits[y1[y]*side:]
				top := (1-fx[x])*a[x0[x]] + fx[x]*a[x1[x]]
				bottom := (1-fx[x])*b[x0[x]] + fx[x]*b[x1[x]]
				if (1-fy[y])*top+fy[y]*bottom > 0 {
					want[y*w+x], any = 1, true
					box = [4]int{min(box[0], x), min(box[1], y), max(box[2], x), max(box[3], y)}
				}
			}
		}
		if box[2], box[3] = box[2]-box[0], box[3]-box[1]; !any {
			box = [4]int{}
		}
		if !slices.Equal(got.Mask().Pix, want) || got.Box() != box || got.Lost() == any {
			t.Fatalf("trial %d: %dx%d to %dx%d: box %v lost %v, want %v %v", trial, side, side, w, h, got.Box(), got.Lost(), box, !any)
		}
	}
}

package mask

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
		logits := make([]float32, side*side)
		for i := range logits {
			if logits[i] = float32(r.NormFloat64() - 1.5); r.IntN(4) == 0 {
				logits[i] = 0
			}
		}
		x0, x1, fx := axis(side, w)
		y0, y1, fy := axis(side, h)
		want := make([]uint8, w*h)
		for y := range h {
			for x := range w {
				a, b := logits[y0[y]*side:], logits[y1[y]*side:]
				top := (1-fx[x])*a[x0[x]] + fx[x]*a[x1[x]]
				bottom := (1-fx[x])*b[x0[x]] + fx[x]*b[x1[x]]
				if (1-fy[y])*top+fy[y]*bottom > 0 {
					want[y*w+x] = 1
				}
			}
		}
		got, box := Enlarge(logits, side, w, h)
		if !slices.Equal(got.Pix, want) || box != got.Box() {
			t.Fatalf("trial %d: %dx%d to %dx%d: box %v around %v; want %v", trial, side, side, w, h, box, got.Pix, want)
		}
	}
}

func TestNoLogitsAreAnEmptyMask(t *testing.T) {
	if m, b := Enlarge(nil, 0, 3, 2); m.W != 3 || m.H != 2 || len(m.Pix) != 6 || !b.Empty() {
		t.Errorf("%+v, %v", m, b)
	}
}

package score

import (
	"math"

	"github.com/seed49bbd0e6/tachi/stages/internal/mask"
)

// Baselines are what a tracker must beat: the true box of the first frame held still, and that box
// moved at a constant velocity, the best for the clip among those that lead from its first place to
// a later one, chosen by J with the truth at hand. As a mask a box is filled, to the nearest whole
// pixels.

// Areas counts the pixels of a mask in any rectangle.
type Areas struct {
	w, h int
	sum  []int32 // (w+1)*(h+1): pixels above and to the left
}

// NewAreas sums up a mask [h, w] of zeros and ones.
func NewAreas(pix []uint8, w, h int) *Areas {
	a := &Areas{w, h, make([]int32, (w+1)*(h+1))}
	for y := range h {
		row := int32(0)
		for x := range w {
			row += int32(pix[y*w+x])
			a.sum[(y+1)*(w+1)+x+1] = a.sum[y*(w+1)+x+1] + row
		}
	}
	return a
}

// IoU compares the mask with a filled box.
func (a *Areas) IoU(b Box) float64 {
	x0, y0 := a.clip(b.X0, a.w), a.clip(b.Y0, a.h)
	x1, y1 := a.clip(b.X1, a.w), a.clip(b.Y1, a.h)
	at := func(x, y int) int { return int(a.sum[y*(a.w+1)+x]) }
	box, whole := 0, at(a.w, a.h)
	both := 0
	if x1 > x0 && y1 > y0 {
		box = (x1 - x0) * (y1 - y0)
		both = at(x1, y1) - at(x0, y1) - at(x1, y0) + at(x0, y0)
	}
	return ratio(both, box+whole-both)
}

func (a *Areas) clip(v float64, most int) int {
	return min(max(int(math.Round(v)), 0), most)
}

// Held returns the first box for every frame.
func Held(truth []Box) []Box { return moved(truth[0], len(truth), 0, 0) }

// ConstantVelocity returns the first box at the velocity that gives the best J.
func ConstantVelocity(truth []Box, masks []*Areas) []Box {
	best, most := Held(truth), -1.0
	for k, t := range truth {
		if k == 0 || t.Empty() {
			continue
		}
		dx, dy := apart(t, truth[0])
		boxes := moved(truth[0], len(truth), dx/float64(k), dy/float64(k))
		if j := Mean(Fill(boxes, masks)); j > most {
			best, most = boxes, j
		}
	}
	return best
}

// Fill returns each frame's J of the filled box.
func Fill(boxes []Box, masks []*Areas) []float64 {
	out := make([]float64, len(boxes))
	for i, b := range boxes {
		out[i] = masks[i].IoU(b)
	}
	return out
}

func moved(b Box, n int, dx, dy float64) []Box {
	out := make([]Box, n)
	for i := range out {
		out[i] = mask.XYWH(b.X0+dx*float64(i), b.Y0+dy*float64(i), b.Width(), b.Height())
	}
	return out
}

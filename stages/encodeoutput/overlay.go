package encodeoutput

import (
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// The overlay: each object's mask as a veil of its colour with a contour, its box, and a label with its number and
// predicted IoU. An object that is lost has none of these; it is announced in the corner, in red. Prompts are drawn
// on their frame, in white dashes, so that a viewer sees what was asked for.

const veil = 115 // 0.45 of 256

// overlay draws on a frame. result may be nil.
func overlay(v *canvas, frame *token.Header, result *token.Result) {
	t := max(1, int(math.Round(float64(min(v.w, v.h))/360))) // line width: 2 at 720 lines
	if result != nil {
		for _, o := range result.Objects {
			v.mask(o.Mask(), o.Box(), t, colourOf(o.Object), veil, opaque)
		}
	}
	for _, p := range frame.Prompts {
		v.prompt(p, t)
	}
	if result == nil {
		return
	}
	below := 2 * t // of the top edge, where the next lost object is announced
	for _, o := range result.Objects {
		if o.Lost() {
			below += v.lost(o.Object, below, t)
			continue
		}
		v.box(o, t)
	}
}

// mask lays a veil over the pixels of a mask inside a box (x, y, w, h; inclusive) and draws its contour t pixels wide
// within the mask. The picture's edge is no contour.
func (v *canvas) mask(m *token.Mask, box [4]int, t int, c colour, veil, contour int) {
	if m.W != v.w || m.H != v.h {
		return // a result of another picture
	}
	for y := box[1]; y <= box[1]+box[3] && y < m.H; y++ {
		for x := box[0]; x <= box[0]+box[2] && x < m.W; x++ {
			if m.Pix[y*m.W+x] == 0 {
				continue
			}
			if onEdge(m, x, y, t) {
				v.blend(x, y, c, contour)
			} else {
				v.blend(x, y, c, veil)
			}
		}
	}
}

// onEdge says whether a pixel outside the mask lies within t pixels along a row or column.
func onEdge(m *token.Mask, x, y, t int) bool {
	at := y*m.W + x
	for d := 1; d <= t; d++ {
		if x >= d && m.Pix[at-d] == 0 || x+d < m.W && m.Pix[at+d] == 0 ||
			y >= d && m.Pix[at-d*m.W] == 0 || y+d < m.H && m.Pix[at+d*m.W] == 0 {
			return true
		}
	}
	return false
}

// box draws where an object is, and its label above the box or, without room there, inside.
func (v *canvas) box(o *token.Tracked, t int) {
	b, c := o.Box(), colourOf(o.Object)
	x0, y0, x1, y1 := b[0], b[1], b[0]+b[2]+1, b[1]+b[3]+1
	v.frame(x0-t-1, y0-t-1, x1+t+1, y1+t+1, 1, black, 110)
	v.frame(x0-t, y0-t, x1+t, y1+t, t, c, opaque)
	text := fmt.Sprintf("%d %.2f", o.Object, o.IoU)
	w, h := textSize(text, t)
	w, h = w+4*t, h+4*t
	x, y := x0-t, y0-t-h
	if y < 0 {
		y = y0
	}
	v.label(max(0, min(x, v.w-w)), max(0, y), t, text, c, c.ink())
}

// lost announces an object in the top left corner and returns the height it took.
func (v *canvas) lost(object, y, t int) int {
	scale := t + (t+1)/2
	w, h := v.label(2*t, y, scale, fmt.Sprint(object), colourOf(object), colourOf(object).ink())
	v.label(2*t+w, y, scale, "LOST", alarm, white)
	return h + t
}

// prompt draws what the user gave.
func (v *canvas) prompt(p token.Prompt, t int) {
	if p.Mask != nil {
		v.mask(p.Mask, [4]int{0, 0, p.Mask.W - 1, p.Mask.H - 1}, t, white, 0, opaque)
	}
	if b := p.Box; b != nil {
		v.dashes(round(b.X0), round(b.Y0), round(b.X1), round(b.Y1), t, white)
	}
	for _, point := range p.Points {
		x, y, c := int(point.X), int(point.Y), offHit
		if point.Label == 1 {
			c = onHit
		}
		v.disc(x, y, 4*t, white)
		v.disc(x, y, 3*t, c)
		v.fill(x-2*t, y-t/2, x+2*t+1, y-t/2+t, white, opaque) // minus
		if point.Label == 1 {
			v.fill(x-t/2, y-2*t, x-t/2+t, y+2*t+1, white, opaque) // plus
		}
	}
}

func round(f float32) int { return int(math.Round(float64(f))) }

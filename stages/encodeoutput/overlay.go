package encodeoutput

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// The overlay: each object's mask as a veil of its colour with a contour, its box, and a label with
// its number and predicted IoU. An object that is lost has none of these; it is announced in the
// corner, in red. Prompts are drawn on their frame, in white dashes, so that a viewer sees what was
// asked for.

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

// mask lays a veil over the pixels of a mask inside a box and draws its contour t pixels wide
// within the mask. The picture's edge is no contour. Most of a large mask lies far from its
// contour: where eight pixels and all that are within t of them belong to the mask, eight are
// veiled at once, and eight outside are passed over.
func (v *canvas) mask(m *token.Mask, box token.Box, t int, c colour, veil, contour int) {
	if m.W != v.w || m.H != v.h {
		return // a result of another picture
	}
	veiled := c.over(veil)
	left, end := int(box.X0), min(int(box.X1), m.W)
	for y := int(box.Y0); y < min(int(box.Y1), m.H); y++ {
		row, pix := m.Pix[y*m.W:][:m.W], v.pix[3*y*m.W:][:3*m.W]
		deep := y >= t && y+t < m.H
		for x := left; x < end; {
			n := 1
			switch {
			case x+8 <= end && eight(row[x:]) == 0:
				x += 8
				continue
			case deep && x >= t && x+8+t <= m.W && x+8 <= end && within(m, x, y, t):
				n = 8
			case row[x] == 0:
				x++
				continue
			case onEdge(m, x, y, t):
				v.blend(x, y, c, contour)
				x++
				continue
			}
			for p := pix[3*x : 3*(x+n)]; len(p) > 0; p = p[3:] {
				p[0], p[1], p[2] = veiled[0][p[0]], veiled[1][p[1]], veiled[2][p[2]]
			}
			x += n
		}
	}
}

// eight reads the next eight pixels of a mask, each 0 or 1.
func eight(pix []uint8) uint64 { return binary.LittleEndian.Uint64(pix) }

// within reports whether eight pixels from x on, and all within t of them along rows and columns,
// are in the mask.
func within(m *token.Mask, x, y, t int) bool {
	at := y*m.W + x
	all := eight(m.Pix[at:])
	for d := 1; d <= t; d++ {
		all &= eight(m.Pix[at-d:]) & eight(m.Pix[at+d:]) & eight(m.Pix[at-d*m.W:]) & eight(m.Pix[at+d*m.W:])
	}
	return all == 0x0101010101010101
}

// onEdge reports whether a pixel outside the mask lies within t pixels along a row or column.
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
	x0, y0, x1, y1 := int(b.X0), int(b.Y0), int(b.X1), int(b.Y1)
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
		v.mask(p.Mask, token.Box{X1: float64(p.Mask.W), Y1: float64(p.Mask.H)}, t, white, 0, opaque)
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

func round(f float64) int { return int(math.Round(f)) }

package mask

// Box is a rectangle by its corners, in coordinates of a picture: pixel i reaches from i to i+1. So
// the far sides are exclusive, and the box around pixels 3 to 5 of a row is 3 to 6, of width 3. The
// zero Box is empty.
type Box struct{ X0, Y0, X1, Y1 float64 }

// XYWH returns the box of a corner, a width and a height.
func XYWH(x, y, w, h float64) Box { return Box{x, y, x + w, y + h} }

// Pixels returns x, y, width and height of a box of whole pixels.
func (b Box) Pixels() [4]int {
	return [4]int{int(b.X0), int(b.Y0), int(b.Width()), int(b.Height())}
}

// Width returns the distance between the left and the right side.
func (b Box) Width() float64 { return b.X1 - b.X0 }

// Height returns the distance between the upper and the lower side.
func (b Box) Height() float64 { return b.Y1 - b.Y0 }

// Empty reports whether there is no area in the box.
func (b Box) Empty() bool { return !(b.Width() > 0 && b.Height() > 0) }

// IoU returns the intersection of two boxes over their union, 0 when both are empty.
func (b Box) IoU(c Box) float64 {
	inter := max(0, min(b.X1, c.X1)-max(b.X0, c.X0)) * max(0, min(b.Y1, c.Y1)-max(b.Y0, c.Y0))
	union := b.Width()*b.Height() + c.Width()*c.Height() - inter
	if union == 0 {
		return 0
	}
	return inter / union
}

// Span returns the box from the first pixel to the last, whose width is xmax - xmin: one less than
// the pixels in a row. SAMURAI measures boxes so, and writes them so, as LaSOT's format has them.
// It is for these two alone. An empty box stays empty; the span of a single pixel is empty too.
func (b Box) Span() Box {
	if b.Empty() {
		return Box{}
	}
	return Box{b.X0, b.Y0, b.X1 - 1, b.Y1 - 1}
}

// Package mask holds the geometry of binary pictures: the boxes around them, how logits become one
// at the video's resolution, and how one is read from a PNG. It knows no network and no video.
package mask

import "bytes"

// Mask is a binary picture.
type Mask struct {
	W, H int
	Pix  []uint8 // W*H, 0 or 1
}

// Box returns the box around the pixels of a mask, empty when there are none.
func (m *Mask) Box() Box {
	x0, x1, y0, y1 := m.W, 0, 0, 0
	for y := range m.H {
		row := m.Pix[y*m.W:][:m.W]
		first := bytes.IndexByte(row, 1)
		if first < 0 {
			continue
		}
		if y1 == 0 {
			y0 = y
		}
		x0, x1, y1 = min(x0, first), max(x1, bytes.LastIndexByte(row, 1)+1), y+1
	}
	if y1 == 0 {
		return Box{}
	}
	return Box{float64(x0), float64(y0), float64(x1), float64(y1)}
}

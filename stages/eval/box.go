package eval

import "github.com/seed49bbd0e6/tachi/stages/internal/token"

// maskBox returns x, y, w, h of a mask's pixels, w and h their number in each direction; zeros when there are none.
func MaskBox(m *token.Mask) [4]int {
	x0, y0, x1, y1 := m.W, m.H, 0, 0
	for i, p := range m.Pix {
		if p != 0 {
			x, y := i%m.W, i/m.W
			x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x+1), y+1
		}
	}
	if x1 == 0 {
		return [4]int{}
	}
	return [4]int{x0, y0, x1 - x0, y1 - y0}
}

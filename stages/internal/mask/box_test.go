package mask

import (
	"math"
	"testing"
)

// picture makes a mask of rows of dots and crosses.
func picture(rows ...string) *Mask {
	m := &Mask{W: len(rows[0]), H: len(rows)}
	for _, row := range rows {
		for _, c := range row {
			p := uint8(0)
			if c == 'x' {
				p = 1
			}
			m.Pix = append(m.Pix, p)
		}
	}
	return m
}

func TestABoxEndsBehindTheLastPixelAndItsSpanOnIt(t *testing.T) {
	for _, c := range []struct {
		mask         *Mask
		box          Box
		pixels, span [4]int
	}{
		{picture("....", "...."), Box{}, [4]int{}, [4]int{}},
		{picture("....", "..x.", "...."), Box{2, 1, 3, 2}, [4]int{2, 1, 1, 1}, [4]int{2, 1, 0, 0}},
		{picture("x...", "....", "...x"), Box{0, 0, 4, 3}, [4]int{0, 0, 4, 3}, [4]int{0, 0, 3, 2}},
		{picture("....", "..x.", "....", ".x.."), Box{1, 1, 3, 4}, [4]int{1, 1, 2, 3}, [4]int{1, 1, 1, 2}},
	} {
		b := c.mask.Box()
		if b != c.box || b.Pixels() != c.pixels || b.Span().Pixels() != c.span || b.Empty() != (c.box == Box{}) {
			t.Errorf("%+v: box %v, pixels %v, span %v; want %v, %v, %v", c.mask, b, b.Pixels(), b.Span(), c.box, c.pixels, c.span)
		}
	}
}

func TestIoUOfBoxes(t *testing.T) {
	a := XYWH(0, 0, 10, 10)
	for _, c := range []struct {
		what string
		b    Box
		want float64
	}{
		{"half beside", XYWH(5, 0, 10, 10), 50.0 / 150},
		{"inside", XYWH(2, 2, 5, 4), 0.2},
		{"the same", a, 1},
		{"touching", XYWH(10, 0, 10, 10), 0},
		{"apart in both directions", XYWH(20, 20, 10, 10), 0},
		{"empty", Box{}, 0},
	} {
		if got := a.IoU(c.b); math.Abs(got-c.want) > 1e-12 || got != c.b.IoU(a) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
	if got := (Box{}).IoU(Box{}); got != 0 {
		t.Errorf("both empty: %v", got)
	}
}

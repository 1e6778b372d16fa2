package encodeoutput

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// tracked makes an object whose mask is the rectangle x0, y0 to x1, y1 (exclusive) of a w*h
// picture; side*side logits are enlarged to it, so the corners must be whole multiples of w/side
// and h/side.
func tracked(object, w, h, side, x0, y0, x1, y1 int) *token.Tracked {
	t := &token.Tracked{Object: object, Side: side, Width: w, Height: h, IoU: 0.93, Appears: true, Logits: make([]float32, side*side)}
	for i := range t.Logits {
		x, y := i%side*w/side, i/side*h/side
		t.Logits[i] = -10
		if x >= x0 && x < x1 && y >= y0 && y < y1 {
			t.Logits[i] = 10
		}
	}
	return t
}

func lost(object, w, h int) *token.Tracked {
	return &token.Tracked{Object: object, Side: 4, Width: w, Height: h, Logits: make([]float32, 16)}
}

func gray(w, h int) *canvas {
	v := &canvas{make([]uint8, w*h*3), w, h}
	for i := range v.pix {
		v.pix[i] = 100
	}
	return v
}

func (v *canvas) at(x, y int) colour { return colour(v.pix[(y*v.w+x)*3:]) }

func (v *canvas) count(c colour) (n int) {
	for i := 0; i < len(v.pix); i += 3 {
		if colour(v.pix[i:]) == c {
			n++
		}
	}
	return n
}

func TestAnObjectHasVeilContourBoxAndLabel(t *testing.T) {
	const w, h = 160, 120
	v := gray(w, h)
	o := tracked(1, w, h, 40, 40, 60, 80, 90)
	overlay(v, &token.Header{}, &token.Result{Objects: []*token.Tracked{o}})
	c := colourOf(1)
	var mixed colour
	for i := range mixed {
		mixed[i] = uint8((100*(opaque-veil) + int(c[i])*veil + 128) >> 8)
	}
	b := o.Box().Pixels()
	for _, p := range []struct {
		x, y int
		want colour
		what string
	}{
		{60, 75, mixed, "the veil inside"},
		{60, b[1], c, "the contour"},
		{b[0] - 1, 75, c, "the box"},
		{b[0] + b[2], 75, c, "the box"},
		{60, b[1] + b[3], c, "the box"},
		{100, 100, colour{100, 100, 100}, "the rest"},
	} {
		if got := v.at(p.x, p.y); got != p.want {
			t.Errorf("%s at %d,%d is %v, want %v", p.what, p.x, p.y, got, p.want)
		}
	}
	// "1 0.93" stands above the box, black on orange: its pixels are those of the font.
	want := 0
	for _, letter := range "1 0.93" {
		for _, row := range font()[letter] {
			for ; row != 0; row &= row - 1 {
				want++
			}
		}
	}
	if n := v.count(black); n != want || c.ink() != black {
		t.Errorf("%d pixels of text, want %d", n, want)
	}
}

// Eight pixels at once or one after the other: the same picture.
func TestMaskIsVeilAndContourPixelByPixel(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	for round := range 200 {
		w, h, thick := 1+r.IntN(60), 1+r.IntN(40), 1+r.IntN(3)
		m := &token.Mask{W: w, H: h, Pix: make([]uint8, w*h)}
		for range 1 + r.IntN(3) { // rectangles with holes
			bx, by := r.IntN(w), r.IntN(h)
			for y := by; y < min(h, by+r.IntN(40)+1); y++ {
				for x := bx; x < min(w, bx+30+r.IntN(3)); x++ {
					if r.IntN(60) > 0 {
						m.Pix[y*w+x] = 1
					}
				}
			}
		}
		got, want := gray(w, h), gray(w, h)
		c := palette[round%len(palette)]
		got.mask(m, m.Box(), thick, c, veil, opaque)
		for i, in := range m.Pix {
			switch x, y := i%w, i/w; {
			case in == 0:
			case onEdge(m, x, y, thick):
				want.blend(x, y, c, opaque)
			default:
				want.blend(x, y, c, veil)
			}
		}
		if !bytes.Equal(got.pix, want.pix) {
			t.Fatalf("round %d: %dx%d, contour of %d pixels differs", round, w, h, thick)
		}
	}
}

func TestLostObjectIsAnnouncedAndHasNoBox(t *testing.T) {
	const w, h = 160, 120
	v := gray(w, h)
	overlay(v, &token.Header{}, &token.Result{Objects: []*token.Tracked{lost(2, w, h)}})
	if v.count(alarm) < 100 || v.count(white) < 40 {
		t.Errorf("%d pixels of alarm, %d of white", v.count(alarm), v.count(white))
	}
	for y := 60; y < h; y++ {
		for x := range w {
			if v.at(x, y) != (colour{100, 100, 100}) {
				t.Fatalf("something is drawn at %d,%d", x, y)
			}
		}
	}
	one := v.count(alarm)
	overlay(v, &token.Header{}, &token.Result{Objects: []*token.Tracked{lost(2, w, h), lost(3, w, h)}})
	if two := v.count(alarm); two < one*3/2 {
		t.Errorf("two lost objects take %d pixels of alarm, one takes %d", two, one)
	}
}

func TestPromptsAreDrawnOnTheirFrame(t *testing.T) {
	const w, h = 80, 60
	m := &token.Mask{W: w, H: h, Pix: make([]uint8, w*h)}
	for y := 10; y < 20; y++ {
		for x := 50; x < 70; x++ {
			m.Pix[y*w+x] = 1
		}
	}
	v := gray(w, h)
	overlay(v, &token.Header{Prompts: []token.Prompt{
		{Object: 1, Box: &token.Box{X0: 10, Y0: 10, X1: 40, Y1: 40}, Points: []token.Point{{X: 20, Y: 25, Label: 1}, {X: 30, Y: 50, Label: 0}}},
		{Object: 2, Mask: m},
	}}, nil)
	if v.at(10, 10) != white || v.at(50, 12) != white || v.at(60, 15) != (colour{100, 100, 100}) {
		t.Error("box, contour and inside of the mask:", v.at(10, 10), v.at(50, 12), v.at(60, 15))
	}
	if v.count(onHit) == 0 || v.count(offHit) == 0 {
		t.Error("no clicks")
	}
}

func TestNothingIsDrawnOutside(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {3, 2}, {33, 17}} {
		w, h := size[0], size[1]
		guard := make([]uint8, w*h*3+200)
		v := &canvas{guard[100 : 100+w*h*3 : 100+w*h*3], w, h}
		overlay(v, &token.Header{Prompts: []token.Prompt{
			{Box: &token.Box{X0: -50, Y0: -50, X1: 500, Y1: 500}, Points: []token.Point{{X: -3, Y: 900, Label: 1}, {X: float32(w), Y: float32(h)}}},
			{Mask: &token.Mask{W: 2, H: 2, Pix: make([]uint8, 4)}}, // of another picture
		}}, &token.Result{Objects: []*token.Tracked{tracked(1, w, h, 1, 0, 0, w, h), lost(255, w, h)}})
		if slices.Max(guard[:100]) != 0 || slices.Max(guard[100+w*h*3:]) != 0 {
			t.Errorf("%dx%d: drawn outside", w, h)
		}
	}
}

func TestNeighbouringObjectsDiffer(t *testing.T) {
	for i := 1; i < 255; i++ {
		if colourOf(i) == colourOf(i+1) {
			t.Errorf("objects %d and %d look alike", i, i+1)
		}
	}
}

func TestTheFontHasEveryGlyph(t *testing.T) {
	seen := map[[glyphH]uint8]rune{}
	for _, r := range letters {
		g, ok := font()[r]
		if twin, dup := seen[g]; !ok || dup || g == [glyphH]uint8{} {
			t.Errorf("%q: there %v, twin of %q", r, ok, twin)
		}
		seen[g] = r
	}
	for y, row := range drawn {
		if len(strings.TrimSpace(row)) != len(letters)*(glyphW+1)-1 {
			t.Errorf("row %d has %d pixels", y, len(row))
		}
	}
}

package media

import (
	"fmt"
	"slices"
	"testing"
)

func TestEveryOrientationMovesEveryPixelOnce(t *testing.T) {
	// A 3x2 picture a b c / d e f in the eight ways that a display matrix can ask for, read row by
	// row.
	const one = 1 << 16
	for _, c := range []struct {
		matrix [4]int32 // a, b, c, d
		want   string
	}{
		{[4]int32{one, 0, 0, one}, "abc/def"},
		{[4]int32{0, one, -one, 0}, "da/eb/fc"},
		{[4]int32{-one, 0, 0, -one}, "fed/cba"},
		{[4]int32{0, -one, one, 0}, "cf/be/ad"},
		{[4]int32{-one, 0, 0, one}, "cba/fed"},
		{[4]int32{one, 0, 0, -one}, "def/abc"},
		{[4]int32{0, one, one, 0}, "ad/be/cf"},
		{[4]int32{0, -one, -one, 0}, "fc/eb/da"},
	} {
		m := &[9]int32{c.matrix[0], c.matrix[1], 0, c.matrix[2], c.matrix[3], 0, 0, 0, 1 << 30}
		o, ok := orient(m)
		w, h := o.size(3, 2)
		var src []uint8
		for _, p := range "abcdef" {
			src = append(src, uint8(p), uint8(p)+100, uint8(p)+120)
		}
		dst := make([]uint8, len(src))
		o.apply(dst, src, 3, 2)
		got := ""
		for y := range h {
			if y > 0 {
				got += "/"
			}
			for x := range w {
				got += string(rune(dst[(y*w+x)*3]))
			}
		}
		if !ok || got != c.want {
			t.Errorf("%v: %s (%v), want %s", c.matrix, got, ok, c.want)
		}
	}
}

func TestOrientationBeyondOneTile(t *testing.T) {
	const w, h = 70, 45
	src := make([]uint8, w*h*3)
	for i := range src {
		src[i] = uint8(i * 7)
	}
	quarter := orientation{b: 1, c: -1}
	cur, cw, ch := src, w, h
	for range 4 {
		next := make([]uint8, len(cur))
		quarter.apply(next, cur, cw, ch)
		cur, cw, ch = next, ch, cw
	}
	if !slices.Equal(cur, src) {
		t.Error("four quarter turns do not give the picture back")
	}
}

func TestOtherTurnsAreLeftAlone(t *testing.T) {
	for _, m := range [][9]int32{{46341, 46341, 0, -46341, 46341}, {}, {1 << 16, 1 << 15, 0, 0, 1 << 16}} {
		if o, ok := orient(&m); ok || o != upright {
			t.Error(fmt.Sprint(m), o, ok)
		}
	}
}

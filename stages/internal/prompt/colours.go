package prompt

import (
	"fmt"
	"image"
	"image/color"
	"slices"
	"strings"
)

// A mask that was saved in colours: an annotation that lost its palette, one object painted in a
// colour, a cut-out.

type rgb [3]uint8

// coloured finds the objects of a picture in colours.
func coloured(img image.Image) (pix []uint8, ids []int, note string, err error) {
	at := func(x, y int) color.NRGBA { return color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA) }
	if m, ok := img.(*image.NRGBA); ok { // as it is stored, also where it is transparent
		at = m.NRGBAAt
	}
	b := img.Bounds()
	first := at(b.Min.X, b.Min.Y).A
	alpha, opaque := each(img, func(x, y int) uint16 { return uint16(at(x, y).A) }), true
	for _, a := range alpha {
		opaque = opaque && a == uint16(first)
	}
	if !opaque {
		return grey(alpha, 255, false)
	}
	if first == 0 {
		return nil, nil, "", fmt.Errorf("every pixel of the mask is transparent")
	}
	seen := map[rgb]bool{}
	bright := each(img, func(x, y int) uint16 {
		c := at(x, y)
		seen[rgb{c.R, c.G, c.B}] = true
		return uint16(max(c.R, c.G, c.B))
	})
	delete(seen, rgb{})
	shades := oneHue(seen)
	if len(seen) == 1 || !shades {
		if numbers := davis(seen); numbers != nil {
			return indexed(each(img, func(x, y int) uint16 { c := at(x, y); return numbers[rgb{c.R, c.G, c.B}] }))
		}
	}
	if !shades {
		return nil, nil, "", fmt.Errorf("the mask has %d colours that are not those of the DAVIS palette (%s): save it with a palette or in grey, whose numbers are the objects", len(seen), some(seen))
	}
	return grey(bright, 255, isGrey(seen))
}

// isGrey reports whether no colour has a hue.
func isGrey(seen map[rgb]bool) bool {
	for c := range seen {
		if c[0] != c[1] || c[0] != c[2] {
			return false
		}
	}
	return true
}

// oneHue reports whether all colours are shades of the brightest, give or take the rounding of its
// darker ones.
func oneHue(seen map[rgb]bool) bool {
	var top rgb
	for c := range seen {
		if slices.Max(c[:]) > slices.Max(top[:]) {
			top = c
		}
	}
	high := int(slices.Max(top[:]))
	for c := range seen {
		level := int(slices.Max(c[:]))
		for i := range c {
			if d := int(c[i])*high - int(top[i])*level; d > 2*high || d < -2*high {
				return false
			}
		}
	}
	return true
}

// davis returns the numbers of colours that are all of the palette of DAVIS and VOC, else nil. Its
// colour n takes the bits of n by threes, for red, green and blue, from the highest bit of each
// down. Grey, of which it has one, is no hint of it.
func davis(seen map[rgb]bool) map[rgb]uint16 {
	if isGrey(seen) {
		return nil
	}
	numbers := map[rgb]uint16{}
	for n := 1; n < 256; n++ {
		var c rgb
		for bit, rest := 7, n; rest > 0; bit, rest = bit-1, rest>>3 {
			for i := range c {
				c[i] |= uint8(rest >> i & 1 << bit)
			}
		}
		if seen[c] {
			numbers[c] = uint16(n)
		}
	}
	if len(numbers) != len(seen) {
		return nil
	}
	return numbers
}

// some lists a few colours as a web page writes them.
func some(seen map[rgb]bool) string {
	var all []string
	for c := range seen {
		all = append(all, fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]))
	}
	slices.Sort(all)
	if len(all) > 4 {
		all = append(all[:4], "...")
	}
	return strings.Join(all, ", ")
}

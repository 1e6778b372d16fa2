package encodeoutput

// canvas is a picture being drawn on. Everything may reach outside, where it is clipped.
type canvas struct {
	pix  []uint8 // h rows of w*3 bytes
	w, h int
}

type colour [3]uint8

var (
	black  = colour{0, 0, 0}
	white  = colour{255, 255, 255}
	alarm  = colour{255, 70, 60}
	onHit  = colour{60, 210, 90}
	offHit = colour{230, 60, 60}
)

// palette gives objects colours that differ from their neighbours' in hue and in lightness.
var palette = [...]colour{
	{255, 176, 0}, {0, 174, 255}, {232, 62, 140}, {86, 214, 80}, {150, 100, 255},
	{255, 106, 61}, {0, 207, 190}, {214, 200, 20}, {245, 130, 220}, {110, 150, 190},
}

func colourOf(object int) colour { return palette[(object-1+len(palette))%len(palette)] }

// ink is the colour of text on a ground: black on light, white on dark.
func (c colour) ink() colour {
	if 299*int(c[0])+587*int(c[1])+114*int(c[2]) > 128*1000 {
		return black
	}
	return white
}

const opaque = 256

// mix lays b over a; alpha is in 256ths.
func mix(a, b uint8, alpha int) uint8 {
	return uint8((int(a)*(opaque-alpha) + int(b)*alpha + 128) >> 8)
}

// over tabulates what comes of each level under c.
func (c colour) over(alpha int) (levels [3][256]uint8) {
	for i := range levels {
		for level := range levels[i] {
			levels[i][level] = mix(uint8(level), c[i], alpha)
		}
	}
	return levels
}

// blend mixes c into a pixel; alpha is in 256ths.
func (v *canvas) blend(x, y int, c colour, alpha int) {
	if uint(x) >= uint(v.w) || uint(y) >= uint(v.h) {
		return
	}
	p := v.pix[(y*v.w+x)*3:][:3]
	for i := range p {
		p[i] = mix(p[i], c[i], alpha)
	}
}

// fill covers the pixels from x0, y0 up to, not including, x1, y1.
func (v *canvas) fill(x0, y0, x1, y1 int, c colour, alpha int) {
	for y := max(y0, 0); y < min(y1, v.h); y++ {
		for x := max(x0, 0); x < min(x1, v.w); x++ {
			v.blend(x, y, c, alpha)
		}
	}
}

// frame draws the edges of a rectangle, t pixels thick, inwards.
func (v *canvas) frame(x0, y0, x1, y1, t int, c colour, alpha int) {
	v.fill(x0, y0, x1, y0+t, c, alpha)
	v.fill(x0, max(y1-t, y0+t), x1, y1, c, alpha)
	v.fill(x0, y0+t, x0+t, y1-t, c, alpha)
	v.fill(max(x1-t, x0+t), y0+t, x1, y1-t, c, alpha)
}

// dashes draws the edges of a rectangle in dashes, over a shadow that keeps them visible on any
// ground.
func (v *canvas) dashes(x0, y0, x1, y1, t int, c colour) {
	v.frame(x0-1, y0-1, x1+1, y1+1, t+2, black, 110)
	dash := 4 * t
	for x := x0; x < x1; x += 2 * dash {
		v.fill(x, y0, min(x+dash, x1), y0+t, c, opaque)
		v.fill(x, y1-t, min(x+dash, x1), y1, c, opaque)
	}
	for y := y0; y < y1; y += 2 * dash {
		v.fill(x0, y, x0+t, min(y+dash, y1), c, opaque)
		v.fill(x1-t, y, x1, min(y+dash, y1), c, opaque)
	}
}

// disc fills a circle.
func (v *canvas) disc(cx, cy, r int, c colour) {
	for y := -r; y <= r; y++ {
		for x := -r; x <= r; x++ {
			if x*x+y*y <= r*r+r/2 {
				v.blend(cx+x, cy+y, c, opaque)
			}
		}
	}
}

// text draws letters of the font, each of its pixels scale pixels wide. Other letters leave a gap.
func (v *canvas) text(x, y, scale int, s string, c colour) {
	for _, letter := range s {
		for row, bits := range font()[letter] {
			for col := range glyphW {
				if bits>>(glyphW-1-col)&1 != 0 {
					v.fill(x+col*scale, y+row*scale, x+(col+1)*scale, y+(row+1)*scale, c, opaque)
				}
			}
		}
		x += (glyphW + 1) * scale
	}
}

// label draws a text on a ground and returns the pixels that it took.
func (v *canvas) label(x, y, scale int, s string, ground, ink colour) (w, h int) {
	w, h = textSize(s, scale)
	w, h = w+4*scale, h+4*scale
	v.fill(x, y, x+w, y+h, ground, opaque)
	v.text(x+2*scale, y+2*scale, scale, s, ink)
	return w, h
}

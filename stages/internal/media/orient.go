package media

// orientation is how the stored picture must be turned to be displayed: one of the eight symmetries
// of a rectangle. With x' = a*x + c*y and y' = b*x + d*y (then moved back to the origin), exactly
// one of a, c and one of b, d is 1 or -1, as in a display matrix: a quarter turn clockwise is {0,
// 1, -1, 0}.
type orientation struct{ a, b, c, d int }

var upright = orientation{a: 1, d: 1}

// orient reads a display matrix (rows a b u, c d v, x y w; 16.16 fixed point, u v w 2.30). It
// reports false for what is not a multiple of a quarter turn, which is left as it is stored.
func orient(m *[9]int32) (orientation, bool) {
	if m == nil {
		return upright, true
	}
	unit := func(v int32) int {
		const one, tolerance = 1 << 16, 1 << 9 // half a degree
		switch {
		case v > one-tolerance:
			return 1
		case v < -one+tolerance:
			return -1
		case v < tolerance && v > -tolerance:
			return 0
		}
		return 2
	}
	o := orientation{unit(m[0]), unit(m[1]), unit(m[3]), unit(m[4])}
	straight := o.a*o.a == 1 && o.d*o.d == 1 && o.b == 0 && o.c == 0
	turned := o.a == 0 && o.d == 0 && o.b*o.b == 1 && o.c*o.c == 1
	if !straight && !turned {
		return upright, false
	}
	return o, true
}

// turned reports whether width and height change places.
func (o orientation) turned() bool { return o.a == 0 }

// size returns the displayed size of a stored picture.
func (o orientation) size(w, h int) (int, int) {
	if o.turned() {
		return h, w
	}
	return w, h
}

// apply writes the w*h stored pixels of src (3 bytes each) to dst in displayed orientation.
func (o orientation) apply(dst, src []uint8, w, h int) {
	dw, _ := o.size(w, h)
	// The offset in dst is linear in x and y: start + x*dx + y*dy pixels.
	dx, dy := o.a+o.b*dw, o.c+o.d*dw
	back := func(sign, n int) int {
		if sign < 0 {
			return n - 1
		}
		return 0
	}
	start := back(o.a, w) + back(o.c, h) + (back(o.b, w)+back(o.d, h))*dw
	const tile = 32 // columns and rows whose cache lines stay warm on both sides
	for y0 := 0; y0 < h; y0 += tile {
		for x0 := 0; x0 < w; x0 += tile {
			for y := y0; y < min(y0+tile, h); y++ {
				x1 := min(x0+tile, w)
				s := src[(y*w+x0)*3 : (y*w+x1)*3]
				p := (start + x0*dx + y*dy) * 3
				for i := 0; i < len(s); i += 3 {
					d := dst[p : p+3 : p+3]
					d[0], d[1], d[2] = s[i], s[i+1], s[i+2]
					p += dx * 3
				}
			}
		}
	}
}

package synthetic

import "math"

// texture is a square picture that repeats without a seam. Its size is a power of two.
type texture struct {
	size int
	rgb  []uint8 // size*size*4, the fourth unused
}

// kind of pattern.
type kind int

const (
	noise kind = iota
	stripes
	checks
	dots
	gradient
	blobs
	kinds
)

// colour is red, green, blue, 0 to 1.
type colour [3]float64

// palette is the colours that a pattern runs through.
type palette []colour

func newPalette(r random) palette {
	base, p := r.Float64(), palette{}
	saturation, contrast := r.in(span{0.05, 0.65}), r.in(span{0.25, 0.9})
	for i := range 2 + r.IntN(3) {
		value := r.in(span{0.35, 0.9}) + contrast*(float64(i%2)-0.5)*0.8
		p = append(p, hsv(base+r.in(span{-0.12, 0.12})+0.5*float64(r.IntN(5)/4), saturation*r.in(span{0.5, 1.2}), value))
	}
	return p
}

// hsv returns a colour of a hue in turns, a saturation and a value, clipped to what can be shown.
func hsv(h, s, v float64) (c colour) {
	s, v = min(max(s, 0), 1), min(max(v, 0.06), 1)
	for i, shift := range [3]float64{5, 3, 1} {
		k := math.Mod(shift+6*(h+2), 6)
		c[i] = v - v*s*max(0, min(k, 4-k, 1))
	}
	return c
}

func (p palette) mean() (c colour) {
	for _, q := range p {
		for i := range c {
			c[i] += q[i] / float64(len(p))
		}
	}
	return c
}

// times returns a lighter or darker palette.
func (p palette) times(gain float64) palette {
	out := make(palette, len(p))
	for i, c := range p {
		for j := range c {
			out[i][j] = min(c[j]*gain, 1)
		}
	}
	return out
}

func (c colour) distance(d colour) float64 {
	return math.Sqrt((c[0]-d[0])*(c[0]-d[0]) + (c[1]-d[1])*(c[1]-d[1]) + (c[2]-d[2])*(c[2]-d[2]))
}

// look is what two textures of one family share.
type look struct {
	kind   kind
	colour palette
	warp   float64 // how much noise bends the pattern
	sharp  float64 // of its edges
	grain  float64
}

func newLook(r random, p palette) look {
	return look{kind(r.IntN(int(kinds))), p, r.in(span{0, 1.2}), r.in(span{1, 6}), r.in(span{0.05, 0.3})}
}

// newTexture draws a texture whose pattern repeats about every period texels.
func newTexture(r random, l look, size int, period float64) *texture {
	t := &texture{size: size, rgb: make([]uint8, size*size*4)}
	cycles := max(2, math.Round(float64(size)/period))
	smooth := fractal(r, size, cycles)
	angle := r.turn()
	kx, ky := math.Round(cycles*math.Cos(angle)), math.Round(cycles*math.Sin(angle))
	phase := r.turn()
	spots := newSpots(r, int(cycles))
	table := l.colour.table()
	step := 2 * math.Pi / float64(size)
	for y := range size {
		for x := range size {
			n := float64(smooth[y*size+x]) - 0.5
			v := 0.0
			switch l.kind {
			case noise:
				v = 0.5 + 1.5*n
			case stripes:
				v = 0.5 + edge(l.sharp*sine(step*(kx*float64(x)+ky*float64(y))+phase+6*l.warp*n))
			case checks:
				a := sine(step*cycles*float64(x) + 6*l.warp*n)
				v = 0.5 + edge(l.sharp*2*a*sine(step*cycles*float64(y)+phase+6*l.warp*n))
			case dots:
				v = 0.5 + edge(l.sharp*3*spots.at(float64(x)/float64(size)+0.03*l.warp*n, float64(y)/float64(size)))
			case gradient:
				v = 0.5 + 0.45*sine(step*(float64(x)+float64(y)*2)+phase+3*l.warp*n)
			case blobs:
				v = 0.5 + edge(l.sharp*8*n)
			}
			v += l.grain * 2 * n
			copy(t.rgb[(y*size+x)*4:], table[min(max(int(255*v), 0), 255)][:])
		}
	}
	return t
}

// edge is a soft step from -0.5 to 0.5.
func edge(v float64) float64 { return min(max(v*0.5, -0.5), 0.5) }

// sine is a parabola's version of the sine, near enough for a pattern.
func sine(x float64) float64 {
	x = x/(2*math.Pi) + 4096
	x -= float64(int(x)) + 0.5
	return 8 * x * (2*math.Abs(x) - 1)
}

// table returns 256 colours along the palette.
func (p palette) table() (t [256][4]uint8) {
	for i := range t {
		f := float64(i) / 255 * float64(len(p)-1)
		k := min(int(f), len(p)-2)
		f -= float64(k)
		for c := range 3 {
			t[i][c] = uint8(255*min(max(p[k][c]*(1-f)+p[k+1][c]*f, 0), 1) + 0.5)
		}
	}
	return t
}

// fractal returns size*size values about 0.5: octaves of smooth noise whose amplitude falls as
// their frequency grows.
func fractal(r random, size int, cycles float64) []float32 {
	out := make([]float32, size*size)
	weight := 0.0
	first := 2
	for float64(first)*2 <= cycles {
		first *= 2
	}
	for n, a := first, 1.0; n <= size/2; n, a = n*2, a*0.55 {
		octave(r, out, size, n, float32(a))
		weight += a * a
	}
	k := float32(0.9 / math.Sqrt(weight))
	for i, v := range out {
		out[i] = 0.5 + v*k
	}
	return out
}

// octave adds n*n random values, each between -0.5 and 0.5, interpolated with a cubic step.
func octave(r random, out []float32, size, n int, amplitude float32) {
	lattice := make([]float32, n*n)
	for i := range lattice {
		lattice[i] = amplitude * float32(r.Float64()-0.5)
	}
	cell := size / n
	ease := make([]float32, cell)
	for i := range ease {
		f := (float32(i) + 0.5) / float32(cell)
		ease[i] = f * f * (3 - 2*f)
	}
	row := make([]float32, n+1)
	for y := range size {
		a, b := lattice[y/cell*n:][:n], lattice[(y/cell+1)%n*n:][:n]
		f := ease[y%cell]
		for i := range n {
			row[i] = a[i] + f*(b[i]-a[i])
		}
		row[n] = row[0]
		o := out[y*size:][:size]
		for i := range n {
			from, by := row[i], row[i+1]-row[i]
			for j, e := range ease {
				o[i*cell+j] += from + e*by
			}
		}
	}
}

// spots are n*n discs, one in each cell of a grid, away from the cell's border.
type spots struct {
	n int
	c []struct{ x, y, radius float64 }
}

func newSpots(r random, n int) *spots {
	s := &spots{n: n, c: make([]struct{ x, y, radius float64 }, n*n)}
	for i := range s.c {
		s.c[i].x, s.c[i].y, s.c[i].radius = r.in(span{0.35, 0.65}), r.in(span{0.35, 0.65}), r.in(span{0.15, 0.35})
	}
	return s
}

// at is positive inside a disc, for a place in turns of the texture.
func (s *spots) at(x, y float64) float64 {
	x, y = (x+1)*float64(s.n), (y+1)*float64(s.n)
	i, j := int(x), int(y)
	c := &s.c[j%s.n*s.n+i%s.n]
	dx, dy := x-float64(i)-c.x, y-float64(j)-c.y
	return (c.radius*c.radius - dx*dx - dy*dy) / c.radius
}

// sample returns the colour at a place in 16.16 fixed-point texels, interpolated.
func (t *texture) sample(u, v int) (r, g, b int) {
	mask := t.size - 1
	x0, y0, fx, fy := u>>16&mask, v>>16&mask, u>>8&255, v>>8&255
	x1, y1 := (x0+1)&mask, (y0+1)&mask
	top, bottom := y0*t.size, y1*t.size
	p, q, s, w := t.rgb[(top+x0)*4:][:4], t.rgb[(top+x1)*4:][:4], t.rgb[(bottom+x0)*4:][:4], t.rgb[(bottom+x1)*4:][:4]
	a, c, d, e := (256-fx)*(256-fy), fx*(256-fy), (256-fx)*fy, fx*fy
	r = (int(p[0])*a + int(q[0])*c + int(s[0])*d + int(w[0])*e) >> 16
	g = (int(p[1])*a + int(q[1])*c + int(s[1])*d + int(w[1])*e) >> 16
	b = (int(p[2])*a + int(q[2])*c + int(s[2])*d + int(w[2])*e) >> 16
	return r, g, b
}

package synthetic

import (
	"math"
	"math/rand/v2"
)

// random draws from the ranges of the table.
type random struct{ *rand.Rand }

// newRandom returns the numbers of one attempt at a clip. PCG is defined to the bit.
func newRandom(seed uint64, family, attempt int) random {
	return random{rand.New(rand.NewPCG(seed, 0x7ac41<<16|uint64(family)<<8|uint64(attempt)))}
}

func (r random) in(s span) float64     { return s[0] + (s[1]-s[0])*r.Float64() }
func (r random) inLog(s span) float64  { return s[0] * math.Pow(s[1]/s[0], r.Float64()) }
func (r random) count(n [2]int) int    { return n[0] + r.IntN(n[1]-n[0]+1) }
func (r random) chance(p float64) bool { return r.Float64() < p }
func (r random) turn() float64         { return 2 * math.Pi * r.Float64() }
func (r random) direction() vec        { s, c := math.Sincos(r.turn()); return vec{c, s} }
func (r random) sign() float64 {
	if r.IntN(2) == 0 {
		return -1
	}
	return 1
}

// wave is a slow sine.
type wave struct{ amplitude, rate, phase float64 }

func (r random) wave(amplitude, rate span) wave { return wave{r.in(amplitude), r.in(rate), r.turn()} }
func (w wave) at(t float64) float64             { return w.amplitude * math.Sin(w.rate*t+w.phase) }

// vec is a point or a direction.
type vec struct{ x, y float64 }

func (a vec) add(b vec) vec       { return vec{a.x + b.x, a.y + b.y} }
func (a vec) sub(b vec) vec       { return vec{a.x - b.x, a.y - b.y} }
func (a vec) times(f float64) vec { return vec{a.x * f, a.y * f} }
func (a vec) length() float64     { return math.Sqrt(a.x*a.x + a.y*a.y) }
func (a vec) within(w, h, m float64) bool {
	return a.x >= m && a.x <= w-m && a.y >= m && a.y <= h-m
}

// affine maps (x, y) to (a x + b y + c, d x + e y + f).
type affine struct{ a, b, c, d, e, f float64 }

func (m affine) at(p vec) vec { return vec{m.a*p.x + m.b*p.y + m.c, m.d*p.x + m.e*p.y + m.f} }

// after returns the map that applies n first, then m.
func (m affine) after(n affine) affine {
	return affine{m.a*n.a + m.b*n.d, m.a*n.b + m.b*n.e, m.a*n.c + m.b*n.f + m.c,
		m.d*n.a + m.e*n.d, m.d*n.b + m.e*n.e, m.d*n.c + m.e*n.f + m.f}
}

// inverse returns the map back. The determinant is not zero: scales stay positive.
func (m affine) inverse() affine {
	k := 1 / (m.a*m.e - m.b*m.d)
	i := affine{a: m.e * k, b: -m.b * k, d: -m.d * k, e: m.a * k}
	i.c, i.f = -(i.a*m.c + i.b*m.f), -(i.d*m.c + i.e*m.f)
	return i
}

// rotation turns by an angle and scales by (sx, sy) before.
func rotation(angle, sx, sy float64) affine {
	s, c := math.Sincos(angle)
	return affine{a: c * sx, b: -s * sy, d: s * sx, e: c * sy}
}

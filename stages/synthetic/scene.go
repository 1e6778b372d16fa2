package synthetic

import (
	"math"
	"math/rand/v2"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// A scene is smooth textured shapes that move over a textured background that pans. Everything follows from the seed
// and the frame's number alone, so any frame can be drawn without the ones before it.

// scene holds what a seed decides.
type scene struct {
	w, h   int
	back   *texture
	pan    [2]float64 // background pixels per frame
	shapes []shape    // later ones are in front
}

// shape is a closed curve r(angle) = radius (1 + sum of three harmonics), on a path that is a sum of sines.
type shape struct {
	tex        *texture
	tint       [3]float64
	radius     float64
	harmonic   [3][2]float64 // amplitude and phase of cos(k angle), k = 2, 3, 5
	centre     [2]float64
	swing      [2][2]float64 // per axis: amplitude in pixels, radians per frame
	phase      [2]float64
	spin, size float64 // radians per frame of the rotation, and of the breathing of the radius
}

func newScene(seed uint64, w, h, objects int) *scene {
	r := rand.New(rand.NewPCG(seed, 0x7ac41))
	s := &scene{w: w, h: h, back: newTexture(r), pan: [2]float64{r.Float64() - 0.5, 0.4 * (r.Float64() - 0.5)}}
	side := math.Min(float64(w), float64(h))
	for range objects {
		o := shape{tex: newTexture(r), radius: side * (0.09 + 0.07*r.Float64()), spin: 0.06 * (r.Float64() - 0.5), size: 0.02 + 0.03*r.Float64()}
		for c := range o.tint {
			o.tint[c] = 0.35 + 0.65*r.Float64()
		}
		for k := range o.harmonic {
			o.harmonic[k] = [2]float64{0.18 * r.Float64(), 2 * math.Pi * r.Float64()}
		}
		for axis, extent := range [2]float64{float64(w), float64(h)} {
			o.centre[axis] = extent * (0.4 + 0.2*r.Float64())
			o.swing[axis] = [2]float64{extent * (0.12 + 0.2*r.Float64()), 0.02 + 0.04*r.Float64()}
			o.phase[axis] = 2 * math.Pi * r.Float64()
		}
		s.shapes = append(s.shapes, o)
	}
	return s
}

// draw returns the picture [h, w, 3] of frame t and the visible mask of each object, ids from 1.
func (s *scene) draw(t int) ([]uint8, []token.Truth) {
	rgb := make([]uint8, s.w*s.h*3)
	owner := make([]uint8, s.w*s.h)
	ft := float64(t)
	for y := range s.h {
		for x := range s.w {
			v := s.back.at(float64(x)+s.pan[0]*ft, float64(y)+s.pan[1]*ft)
			put(rgb[(y*s.w+x)*3:], [3]float64{0.75 * v, 0.8 * v, 0.7*v + 0.08})
		}
	}
	for i := range s.shapes {
		s.shapes[i].draw(ft, s.w, s.h, func(x, y int, v float64, tint [3]float64) {
			p := y*s.w + x
			owner[p] = uint8(i + 1)
			put(rgb[p*3:], [3]float64{tint[0] * v, tint[1] * v, tint[2] * v})
		})
	}
	truth := make([]token.Truth, len(s.shapes))
	for i := range truth {
		m := &token.Mask{W: s.w, H: s.h, Pix: make([]uint8, len(owner))}
		truth[i] = token.Truth{Object: i + 1, Mask: m}
		for p, id := range owner {
			if int(id) == i+1 {
				m.Pix[p], truth[i].Visible = 1, true
			}
		}
	}
	return rgb, truth
}

// draw calls set for each pixel inside the shape at time t.
func (o *shape) draw(t float64, w, h int, set func(x, y int, v float64, tint [3]float64)) {
	var c [2]float64
	for axis := range c {
		c[axis] = o.centre[axis] + o.swing[axis][0]*math.Sin(o.swing[axis][1]*t+o.phase[axis])
	}
	radius := o.radius * (1 + 0.15*math.Sin(o.size*t))
	sin, cos := math.Sincos(o.spin * t)
	reach := radius * 1.6
	for y := max(0, int(c[1]-reach)); y < min(h, int(c[1]+reach)+1); y++ {
		for x := max(0, int(c[0]-reach)); x < min(w, int(c[0]+reach)+1); x++ {
			dx, dy := float64(x)-c[0], float64(y)-c[1]
			u, v := cos*dx+sin*dy, cos*dy-sin*dx // the shape's own axes: its texture turns with it
			angle, edge := math.Atan2(v, u), 1.0
			for k, f := range [3]float64{2, 3, 5} {
				edge += o.harmonic[k][0] * math.Cos(f*angle+o.harmonic[k][1])
			}
			if u*u+v*v < radius*radius*edge*edge {
				set(x, y, 0.25+0.75*o.tex.at(2*u, 2*v), o.tint)
			}
		}
	}
}

func put(dst []uint8, c [3]float64) {
	for i, v := range c {
		dst[i] = uint8(255*min(max(v, 0), 1) + 0.5)
	}
}

// texture is noise whose octaves weaken with their frequency (1/f), on a lattice that repeats.
type texture struct{ lattice [64 * 64]float64 }

func newTexture(r *rand.Rand) *texture {
	t := &texture{}
	for i := range t.lattice {
		t.lattice[i] = r.Float64()
	}
	return t
}

// at returns the noise at a point, in [0, 1].
func (t *texture) at(x, y float64) float64 {
	sum, weight := 0.0, 0.0
	for octave := 0; octave < 5; octave++ {
		f := math.Exp2(float64(octave)) / 64
		a := 1 / math.Exp2(float64(octave))
		sum += a * t.smooth(x*f, y*f)
		weight += a
	}
	return sum / weight
}

// smooth interpolates the lattice with a cubic step.
func (t *texture) smooth(x, y float64) float64 {
	x0, y0 := math.Floor(x), math.Floor(y)
	fx, fy := x-x0, y-y0
	fx, fy = fx*fx*(3-2*fx), fy*fy*(3-2*fy)
	i, j := int(x0)&63, int(y0)&63
	i1, j1 := (i+1)&63, (j+1)&63
	top := t.lattice[j*64+i]*(1-fx) + t.lattice[j*64+i1]*fx
	bottom := t.lattice[j1*64+i]*(1-fx) + t.lattice[j1*64+i1]*fx
	return top*(1-fy) + bottom*fy
}

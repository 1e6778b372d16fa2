package synthetic

import "math"

// thing is an object: one or two parts with outlines and textures, placed by a path, turned,
// stretched and scaled over time. Its own units are about its radius; size is pixels per unit.
type thing struct {
	parts   []part
	size    float64
	reach   float64 // pixels from its place to its farthest point, at least
	route   path
	angle   float64
	spin    float64
	sway    wave
	stretch wave // of the aspect
	breathe wave // of the scale
	shading float64
	alike   bool // of the target
	light   vec  // a direction; its side of the thing is lighter
}

// part is a closed outline whose radius waves, on a hinge.
type part struct {
	tex    *texture
	texels float64 // per unit
	base   []vec
	waves  []wave // wave k has k+2 periods around the outline
	aspect float64
	offset vec // of the part's middle from its hinge
	hinge  vec // in the thing's units
	lean   float64
	swing  wave
	moves  bool // swings on its hinge
}

// form is the family of shapes that look-alikes share.
type form int

const (
	blob form = iota
	polygon
	pair
	bar
)

// newThing draws a shape. Its size and path are for the scene to set.
func newThing(r random, f form, tex func() *texture, texels float64) *thing {
	o := &thing{angle: r.turn(), spin: r.in(common.Spin), sway: r.wave(common.Sway, common.Rate), stretch: r.wave(common.Stretch, common.Rate),
		breathe: r.wave(common.Breathe, common.Rate), shading: r.in(common.Shading), light: r.direction()}
	switch f {
	case blob:
		o.parts = []part{newBlob(r, r.in(span{0.65, 1.4}))}
	case polygon:
		o.parts = []part{newPolygon(r)}
	case pair:
		a, b := newBlob(r, r.in(span{0.4, 0.6})), newBlob(r, r.in(span{0.3, 0.5}))
		b.offset, b.hinge, b.lean, b.moves = vec{r.in(span{0.6, 0.75}), 0}, vec{r.in(span{0.5, 0.75}), 0}, r.in(span{-1, 1}), true
		b.swing = r.wave(span{0.3, 0.9}, span{0.12, 0.3})
		o.parts = []part{b, a}
	case bar:
		l := r.in(span{0.25, 0.45})
		o.parts = []part{{base: []vec{{-1, -l}, {1, -l}, {1, l}, {-1, l}}, aspect: 1}}
		o.spin, o.sway.amplitude = o.spin*0.1, o.sway.amplitude*0.2
	}
	for i := range o.parts {
		o.parts[i].tex, o.parts[i].texels = tex(), texels
	}
	return o
}

func newBlob(r random, aspect float64) part {
	const points = 44
	p := part{aspect: aspect}
	fixed := make([]wave, 4)
	for k := range fixed {
		fixed[k] = r.wave(span{0, 0.20 / float64(k+1)}, span{})
		p.waves = append(p.waves, r.wave(common.Wobble, common.Rate))
	}
	for i := range points {
		s, c := math.Sincos(2 * math.Pi * float64(i) / points)
		radius := 1.0
		for k, w := range fixed {
			radius += w.amplitude * math.Sin(float64(k+2)*2*math.Pi*float64(i)/points+w.phase)
		}
		p.base = append(p.base, vec{c * radius, s * radius})
	}
	return p
}

func newPolygon(r random) part {
	n := 3 + r.IntN(6)
	p := part{aspect: r.in(span{0.6, 1.2}), waves: []wave{r.wave(common.Wobble, common.Rate), r.wave(common.Wobble, common.Rate)}}
	star := r.in(span{0, 0.5})
	if n < 5 {
		star *= 0.3
	}
	for i := range n {
		s, c := math.Sincos(2 * math.Pi * (float64(i) + r.in(span{-0.25, 0.25})) / float64(n))
		radius := 1 - star*r.Float64()
		p.base = append(p.base, vec{c * radius, s * radius})
	}
	return p
}

// pose returns the map from the thing's units to the frame at a time.
func (o *thing) pose(t float64) affine {
	scale := o.size * (1 + o.breathe.at(t))
	aspect := 1 + o.stretch.at(t)
	m := rotation(o.angle+o.spin*t+o.sway.at(t), scale*aspect, scale/aspect)
	p := o.route.at(t)
	m.c, m.f = p.x, p.y
	return m
}

// local returns the map from the part's units to the thing's at a time.
func (p *part) local(t float64) affine {
	m := affine{a: 1, c: p.offset.x, e: p.aspect, f: p.offset.y}
	if !p.moves {
		return m
	}
	turn := rotation(p.lean+p.swing.at(t), 1, 1)
	turn.c, turn.f = p.hinge.x, p.hinge.y
	return turn.after(m)
}

// outline appends the part's outline at a time, mapped by m.
func (p *part) outline(points []vec, m affine, t float64) []vec {
	for i, b := range p.base {
		radius := 1.0
		for k, w := range p.waves {
			radius += w.amplitude * math.Sin(float64(k+2)*2*math.Pi*float64(i)/float64(len(p.base))+w.rate*t+w.phase)
		}
		points = append(points, m.at(b.times(radius)))
	}
	return points
}

// measure sets the size so that the thing covers an area, in pixels, at frame 0, and then its
// reach.
func (o *thing) measure(area float64, c *coverage) {
	const scale = 24 // pixels per unit while measuring
	o.size, o.route = scale, path{{0, vec{}}}
	covered := 0.0
	var sum []float64
	for i := range o.parts {
		c.reset(rect{-4 * scale, -4 * scale, 4 * scale, 4 * scale})
		if sum == nil {
			sum = make([]float64, c.w*c.h)
		}
		c.outline(o.parts[i].outline(nil, o.pose(0).after(o.parts[i].local(0)), 0))
		for y := range c.h {
			for x, a := range c.at(y) {
				sum[y*c.w+x] = max(sum[y*c.w+x], a)
			}
		}
	}
	for _, a := range sum {
		covered += a
	}
	o.size = scale * math.Sqrt(area/covered)
	o.settle()
}

// settle sets the reach from the size.
func (o *thing) settle() {
	o.reach = 0
	for _, t := range []float64{0, 7, 16, 27} {
		m := rotation(0, o.size, o.size)
		for i := range o.parts {
			for _, p := range o.parts[i].outline(nil, m.after(o.parts[i].local(t)), t) {
				o.reach = max(o.reach, p.length())
			}
		}
	}
	o.reach *= 1 + (o.stretch.amplitude+o.breathe.amplitude)/2
}

// inner returns the radius of a disc about the middle that the first outline covers, in units.
func (o *thing) inner() float64 {
	base := o.parts[len(o.parts)-1]
	least := math.Inf(1)
	prev := base.base[len(base.base)-1]
	for _, p := range base.base {
		a, b := vec{prev.x, prev.y * base.aspect}, vec{p.x, p.y * base.aspect}
		d := b.sub(a)
		least = min(least, math.Abs(a.x*d.y-a.y*d.x)/d.length())
		prev = p
	}
	return least * 0.92
}

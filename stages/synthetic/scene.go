package synthetic

import (
	"bytes"
	"math"
)

// A scene is what a clip's seed decides: a background, a camera, light, and up to five things. Any
// frame can be drawn without the ones before it.
//
// A layout is tried and kept if it shows what its family promises: the target whole on frame 0 with
// the share of the frame that the table says, hidden or outside when the event is, and seen for
// half of the clip. Otherwise the next attempt is drawn.

// Scene is one clip.
type Scene struct {
	Family *Family
	Seed   uint64
	Width  int
	Height int
	Frames int

	things []*thing // the target first; object k is things[k-1]
	order  []int    // into things, back to front
	events []event
	kept   bool // what the family promises is there
	camera camera
	back   *texture
	sensor sensor
	buf    buffers
}

// event is a time at which the target should be hidden or outside.
type event struct{ middle float64 }

// camera moves the background, and shakes everything.
type camera struct {
	pan, centre  vec
	sweep        [2]wave
	shake        [2]wave
	zoom         wave
	angle, scale float64
}

// attempts is how many layouts are tried.
const attempts = 40

// New returns the clip of a family and a seed. The result is for one goroutine.
func New(f *Family, seed uint64, width, height, frames int) *Scene {
	number := len(Families) // the tour
	for i := range Families {
		if f == &Families[i] {
			number = i
		}
	}
	s := &Scene{Family: f, Seed: seed, Width: width, Height: height, Frames: frames}
	for try := range attempts {
		r := newRandom(seed, number, try)
		s.layout(r)
		s.kept = s.promising()
		if s.kept || try == attempts-1 {
			s.paint(r)
			break
		}
	}
	return s
}

// layout decides shapes, sizes, paths and order. Textures come later.
func (s *Scene) layout(r random) {
	f, w, h := s.Family, float64(s.Width), float64(s.Height)
	side, frames := min(w, h), float64(s.Frames)
	s.things, s.order, s.events = nil, nil, nil
	s.camera = newCamera(r, side, w, h)

	shape := form(r.IntN(int(pair) + 1))
	target := newThing(r, shape, none, 0)
	target.measure(r.inLog(f.Area)*w*h, &s.buf.cover)
	speed := r.in(f.Speed) * side
	n := min(max((s.Frames+59)/60, 1), 1<<10)
	if !f.Exits {
		n = min(n, 3)
	}
	crossAt, exitAt := f.Event, f.Event
	if f.CrossAt != (span{}) {
		crossAt, exitAt, n = f.CrossAt, f.ExitAt, 1
	}
	inside := field{w, h, target.reach * 1.05}
	if f.Exits {
		target.route = excursions(r, exitAt, f.Lasts, w, h, target.reach, speed, max(frames, 8), n)
		for i, k := range target.route[:len(target.route)-1] {
			if next := target.route[i+1]; !k.p.within(w, h, 0) && !next.p.within(w, h, 0) {
				s.events = append(s.events, event{(k.t + next.t) / 2})
			}
		}
	} else {
		start := -r.in(common.Knots) * r.Float64()
		target.route = path{{start, inside.place(r)}}.back(r, inside, speed, start-1).wander(r, inside, speed, frames)
	}
	s.things = append(s.things, target)
	behind, front := []int{}, []int{}
	room := func() bool { return len(s.things) < Objects }
	add := func(list *[]int, o *thing) { *list = append(*list, len(s.things)); s.things = append(s.things, o) }

	share := max(frames, 8) / float64(n)
	for k := range n {
		t := share * (float64(k) + r.in(f.Event))
		if f.Occludes && room() {
			add(&front, s.occluder(r, target, t, max(2, share*r.in(f.Lasts)), share))
			s.events = append(s.events, event{t})
		}
		if f.CrossAt != (span{}) {
			t = share * r.in(crossAt)
		}
		for range r.count(f.LookAlikes) {
			if !room() {
				break
			}
			list := &behind
			if r.chance(0.5) {
				list = &front
			}
			add(list, s.lookAlike(r, shape, target, t, speed))
			t = share * (float64(k) + r.in(crossAt))
		}
	}
	for range r.count(f.Hide) {
		if room() {
			o := newThing(r, form(r.IntN(int(bar)+1)), none, 0)
			o.measure(r.in(span{0.3, 0.8})*math.Pi*target.reach*target.reach, &s.buf.cover)
			t := share * r.in(span{0.2, 0.9})
			p := target.route.at(t).add(r.direction().times(r.in(span{0.2, 0.9}) * (target.reach + o.reach)))
			o.route = path{{t - 1, p.add(s.camera.pan)}, {t, p}} // it stands in the scene, which pans
			add(&front, o)
		}
	}
	for range r.count(f.Others) {
		if room() {
			other := (int(shape) + 1 + r.IntN(int(pair))) % int(pair+1)
			o := newThing(r, form(other), none, 0)
			o.measure(r.inLog(common.OtherArea)*w*h, &s.buf.cover)
			free := field{w, h, o.reach * 0.6}
			o.route = path{{-5, free.place(r)}}.wander(r, free, r.in(f.Speed)*side, frames)
			add(&behind, o)
		}
	}
	s.order = append(append(behind, 0), front...)
}

func none() *texture { return nil }

// occluder returns a thing that passes in front of the target around a time and is large enough to
// hide it that long.
func (s *Scene) occluder(r random, target *thing, t, lasts, share float64) *thing {
	side := math.Min(float64(s.Width), float64(s.Height))
	o := newThing(r, []form{blob, polygon, bar, bar}[r.IntN(4)], none, 0)
	o.size, o.route = 1, path{{0, vec{}}}
	flat := len(o.parts[0].waves) == 0 // a bar: long across its way
	own := target.route.velocity(t)
	pass := r.in(common.Passing) * side
	least := (2.6*target.reach + pass*lasts*0.5) / (t - 0.2*lasts)
	pass = max(pass, least)
	heading := r.direction()
	if rest := own.add(s.camera.pan); r.chance(0.4) && rest.length() > least { // it stands in the scene, and the target passes behind
		heading, pass = rest.times(1/rest.length()), rest.length()
	}
	half := target.reach*0.8 + pass*lasts*0.3
	if flat {
		o.angle = math.Atan2(heading.y, heading.x) + math.Pi/2
		o.parts[0].base = []vec{{-1, -0.3}, {1, -0.3}, {1, 0.3}, {-1, 0.3}}
		long := max(side*r.in(span{0.5, 1.6}), 2.2*target.reach)
		wide := min(half/long, 1)
		for i := range o.parts[0].base {
			o.parts[0].base[i].y *= wide / 0.3
		}
		o.size = long
		o.stretch.amplitude, o.breathe.amplitude, o.sway.amplitude, o.spin = 0, 0, 0, 0
	} else {
		o.stretch.amplitude *= 0.3
		o.breathe.amplitude *= 0.3
		o.size = half / max(o.inner(), 0.45)
	}
	o.settle()
	p := target.route.at(t)
	v := own.sub(heading.times(pass))
	o.route = path{{t - 1, p.sub(v)}, {t, p}}
	return o
}

// lookAlike returns a thing of the target's form and size that crosses its path at a time.
func (s *Scene) lookAlike(r random, f form, target *thing, t, speed float64) *thing {
	w, h := float64(s.Width), float64(s.Height)
	o := newThing(r, f, none, 0)
	scale := r.in(common.AlikeScale)
	if r.chance(0.6) { // the same shape to the point
		o.parts = append([]part(nil), target.parts...)
		o.size = target.size * scale
		o.settle()
	} else {
		o.measure(math.Pi, &s.buf.cover)
		o.size *= target.reach * scale / o.reach
		o.settle()
	}
	pass := max(r.in(common.Passing)*min(w, h), 1.15*(target.reach+o.reach)/t)
	v := target.route.velocity(t).sub(r.direction().times(pass))
	p := target.route.at(t).add(r.direction().times(0.5 * r.Float64() * target.reach))
	o.alike = true
	o.route = through(r, field{w, h, o.reach}, p, v, t, speed, float64(s.Frames))
	return o
}

func newCamera(r random, side, w, h float64) camera {
	c := camera{centre: vec{w / 2, h / 2}, pan: r.direction().times(r.in(common.Pan) * side), zoom: r.wave(common.Zoom, span{0.02, 0.08}), angle: r.in(span{-0.4, 0.4})}
	shake := common.Shake
	if !r.chance(common.ShakeOne) {
		shake = span{}
	}
	for i := range c.sweep {
		c.sweep[i] = r.wave(span{0, 0.04}, span{0.03, 0.1})
		c.sweep[i].amplitude *= side
		c.shake[i] = r.wave(shake, span{0.5, 1.6})
		c.shake[i].amplitude *= side
	}
	return c
}

// jolt returns by how much everything is shaken at a time.
func (c *camera) jolt(t float64) vec { return vec{c.shake[0].at(t), c.shake[1].at(t)} }

// view returns the map from the frame to the background at a time. Its scale is at most one: texels
// are no smaller than pixels.
func (c *camera) view(t float64) affine {
	scale := 1 / (1 + c.zoom.amplitude + c.zoom.at(t))
	m := rotation(c.angle, scale, scale)
	p := c.centre.add(c.pan.times(t)).add(c.jolt(t).times(-1)).add(vec{c.sweep[0].at(t), c.sweep[1].at(t)})
	q := m.at(c.centre)
	m.c, m.f = p.x-q.x, p.y-q.y
	return m
}

// promising reports whether the layout shows what its family promises. It draws masks only.
func (s *Scene) promising() bool {
	seen, whole := s.sight(0)
	share := float64(whole) / float64(s.Width*s.Height)
	if whole == 0 || seen < whole*9/10 || share < 0.005 || share > 0.1 {
		return false
	}
	if at := s.things[0].route.at(0); !at.within(float64(s.Width), float64(s.Height), 0.7*s.things[0].reach) {
		return false
	}
	for _, e := range s.events {
		if t := int(e.middle + 0.5); t < s.Frames {
			if seen, _ := s.sight(float64(t)); seen*10 > whole {
				return false
			}
		}
	}
	clear := 0
	const looks = 8
	for i := range looks {
		if seen, _ := s.sight(float64(i * (s.Frames - 1) / (looks - 1))); seen*2 > whole {
			clear++
		}
	}
	return clear >= looks/2
}

// sight counts the target's visible pixels, and those that are in the frame, hidden or not.
func (s *Scene) sight(t float64) (seen, whole int) {
	target := s.things[0]
	place, reach := target.route.at(t).add(s.camera.jolt(t)), target.reach*1.2
	view := around([]vec{{place.x - reach, place.y - reach}, {place.x + reach, place.y + reach}}).intersect(rect{x1: s.Width, y1: s.Height})
	if view.empty() {
		return 0, 0
	}
	owner := s.buf.owners(s.Width * s.Height)
	count := func() (n int) {
		for y := view.y0; y < view.y1; y++ {
			n += bytes.Count(owner[y*s.Width+view.x0:y*s.Width+view.x1], []byte{1})
		}
		return n
	}
	for _, k := range s.order {
		s.shade(s.things[k], t, uint8(k+1), nil, owner, view)
		if k == 0 {
			whole = count()
		}
	}
	return count(), whole
}

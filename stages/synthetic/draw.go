package synthetic

import "math"

// buffers are what drawing reuses.
type buffers struct {
	cover  coverage
	layer  []float32 // alpha, red, green, blue of one thing
	points [][]vec   // of one part at several moments
	poses  []affine
	owner  []uint8
	rgb    []uint8
	luma   []int32
	cb, cr []int32
}

func (b *buffers) owners(n int) []uint8 {
	if cap(b.owner) < n {
		b.owner = make([]uint8, n)
	}
	b.owner = b.owner[:n]
	clear(b.owner)
	return b.owner
}

// Things returns the number of objects. Object 1 is the target.
func (s *Scene) Things() int { return len(s.things) }

// Draw writes frame t to rgb [Height, Width, 3] and to masks [Things, Height, Width], 1 where an
// object is seen.
func (s *Scene) Draw(t int, rgb, masks []uint8) {
	at := float64(t)
	owner := s.buf.owners(s.Width * s.Height)
	s.background(at, rgb)
	for _, k := range s.order {
		s.shade(s.things[k], at, uint8(k+1), rgb, owner, rect{x1: s.Width, y1: s.Height})
	}
	s.sensor.expose(s, t, rgb)
	n := len(owner)
	clear(masks[:len(s.things)*n])
	for p, id := range owner {
		if id != 0 {
			masks[(int(id)-1)*n+p] = 1
		}
	}
}

// background fills the frame with the camera's view.
func (s *Scene) background(t float64, rgb []uint8) {
	m := s.camera.view(t)
	du, dv := fixed(m.a), fixed(m.d)
	for y := range s.Height {
		p := m.at(vec{0.5, float64(y) + 0.5})
		u, v := fixed(p.x), fixed(p.y)
		row := rgb[y*s.Width*3:][:s.Width*3]
		for x := 0; x < len(row); x += 3 {
			r, g, b := s.back.sample(u, v)
			row[x], row[x+1], row[x+2] = uint8(r), uint8(g), uint8(b)
			u, v = u+du, v+dv
		}
	}
}

// shade draws a thing at a time over the picture, and its id over the owners of the pixels that it
// covers for at least half of the exposure. With motion blur a part is drawn at several moments of
// the exposure and averaged. Without a picture it draws the owners alone, of the exposure's middle.
// Nothing is drawn outside the view.
func (s *Scene) shade(o *thing, t float64, id uint8, rgb, owner []uint8, view rect) {
	moments := 1
	if rgb != nil {
		way := o.pose(t + s.sensor.shutter/2).at(vec{0.7, 0}).sub(o.pose(t - s.sensor.shutter/2).at(vec{0.7, 0})).length()
		moments = min(max(int(math.Ceil(way/2)), 1), 5)
	}
	for len(s.buf.points) < moments {
		s.buf.points, s.buf.poses = append(s.buf.points, nil), append(s.buf.poses, affine{})
	}
	jolt := s.camera.jolt(t)
	for i := range o.parts {
		p := &o.parts[i]
		area := rect{x0: view.x1, y0: view.y1}
		for k := range moments {
			at := t + s.sensor.shutter*((float64(k)+0.5)/float64(moments)-0.5)
			pose := o.pose(at)
			pose.c, pose.f = pose.c+jolt.x, pose.f+jolt.y
			s.buf.poses[k] = pose.after(p.local(at))
			s.buf.points[k] = p.outline(s.buf.points[k][:0], s.buf.poses[k], at)
			area = area.union(around(s.buf.points[k]))
		}
		if area = area.intersect(view); area.empty() {
			continue
		}
		n := 4 * area.w() * area.h()
		if cap(s.buf.layer) < n {
			s.buf.layer = make([]float32, n)
		}
		layer := s.buf.layer[:n]
		clear(layer)
		place := o.route.at(t).add(jolt)
		for k := range moments {
			s.buf.cover.reset(area)
			s.buf.cover.outline(s.buf.points[k])
			s.stamp(o, p, s.buf.poses[k], place, layer, 1/float32(moments), rgb != nil)
		}
		s.blend(layer, area, id, rgb, owner)
	}
}

// stamp adds a part at one moment to the layer, with a weight.
func (s *Scene) stamp(o *thing, p *part, pose affine, place vec, layer []float32, weight float32, coloured bool) {
	c := &s.buf.cover
	k := 1 / o.reach
	var m affine
	if coloured {
		m = affine{a: p.texels, e: p.texels}.after(pose.inverse())
	}
	du, dv := fixed(m.a), fixed(m.d)
	for y := range c.h {
		at := m.at(vec{float64(c.x0) + 0.5, float64(c.y0+y) + 0.5})
		u, v := fixed(at.x), fixed(at.y)
		row := layer[y*c.w*4:][:c.w*4]
		dy := (float64(c.y0+y) - place.y) * k
		for x, cover := range c.at(y) {
			if cover > 0 {
				l := row[x*4:][:4]
				a := float32(cover) * weight
				l[0] += a
				if coloured {
					dx := (float64(c.x0+x) - place.x) * k
					a *= float32(1 + 0.25*(dx*o.light.x+dy*o.light.y) - o.shading*(dx*dx+dy*dy))
					r, g, b := p.tex.sample(u, v)
					l[1], l[2], l[3] = l[1]+a*float32(r), l[2]+a*float32(g), l[3]+a*float32(b)
				}
			}
			u, v = u+du, v+dv
		}
	}
}

// blend lays a layer over the picture and marks the pixels that it covers for the most part.
func (s *Scene) blend(layer []float32, area rect, id uint8, rgb, owner []uint8) {
	for y := area.y0; y < area.y1; y++ {
		for x := area.x0; x < area.x1; x++ {
			l := layer[:4]
			layer = layer[4:]
			if l[0] == 0 {
				continue
			}
			p := y*s.Width + x
			if l[0] >= 0.5 {
				owner[p] = id
			}
			if rgb != nil {
				for c := range 3 {
					v := float32(rgb[p*3+c])*(1-l[0]) + l[c+1] + 0.5
					rgb[p*3+c] = uint8(min(max(v, 0), 255))
				}
			}
		}
	}
}

// fixed returns a number in 16.16 fixed point.
func fixed(v float64) int { return int(math.Floor(v * (1 << 16))) }

// rect is a rectangle of pixels, ends exclusive.
type rect struct{ x0, y0, x1, y1 int }

func (r rect) w() int      { return r.x1 - r.x0 }
func (r rect) h() int      { return r.y1 - r.y0 }
func (r rect) empty() bool { return r.x0 >= r.x1 || r.y0 >= r.y1 }

func (r rect) union(q rect) rect {
	return rect{min(r.x0, q.x0), min(r.y0, q.y0), max(r.x1, q.x1), max(r.y1, q.y1)}
}

func (r rect) intersect(q rect) rect {
	return rect{max(r.x0, q.x0), max(r.y0, q.y0), min(r.x1, q.x1), min(r.y1, q.y1)}
}

// around returns the pixels that a polygon may touch.
func around(points []vec) rect {
	a, b := points[0], points[0]
	for _, p := range points {
		a, b = vec{min(a.x, p.x), min(a.y, p.y)}, vec{max(b.x, p.x), max(b.y, p.y)}
	}
	return rect{int(math.Floor(a.x)), int(math.Floor(a.y)), int(math.Floor(b.x)) + 1, int(math.Floor(b.y)) + 1}
}

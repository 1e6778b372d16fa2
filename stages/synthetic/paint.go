package synthetic

import "math/bits"

// paint gives a layout its textures: the background's, with patches of other textures and at times
// of the target's own, and one for each thing.
func (s *Scene) paint(r random) {
	side := float64(min(s.Width, s.Height))
	ground := newPalette(r)
	back := newLook(r, ground)
	target := s.things[0]

	own := newLook(r, newPalette(r))
	if r.chance(common.Camouflage) {
		gain := r.in(span{0.55, 0.75})
		if r.chance(0.5) {
			gain = r.in(span{1.3, 1.7})
		}
		own = back
		own.colour = ground.times(gain)
	} else {
		for range 8 {
			if own.colour.mean().distance(ground.mean()) > 0.22 {
				break
			}
			own.colour = newPalette(r)
		}
	}
	period := r.in(span{0.3, 0.9}) // of the target's pattern, in radii
	clothe := func(o *thing, l look, period float64) {
		texels := max(o.size, 14) * r.in(span{0.8, 1.3})
		tex := newTexture(r, l, tile(2*texels), period*texels)
		second := tex
		if len(o.parts) == 2 && r.chance(0.5) {
			l.colour = l.colour.times(r.in(span{0.7, 1.2}))
			second = newTexture(r, l, tile(2*texels), period*texels)
		}
		for i := range o.parts {
			o.parts[i].tex, o.parts[i].texels = tex, texels
			if i == 0 {
				o.parts[i].tex = second
			}
		}
	}
	clothe(target, own, period)
	for _, o := range s.things[1:] {
		if o.alike {
			alike := own
			if r.chance(0.5) {
				alike.colour = own.colour.times(r.in(span{0.88, 1.12}))
			}
			clothe(o, alike, period)
			o.shading = target.shading
			continue
		}
		clothe(o, newLook(r, newPalette(r)), r.in(span{0.3, 0.9}))
	}
	s.back = s.ground(r, back, own, side*r.in(span{0.05, 0.3}))
	s.sensor = newSensor(r)
}

// ground draws the background.
func (s *Scene) ground(r random, l, target look, period float64) *texture {
	size := tile(float64(max(s.Width, s.Height)) * 0.99)
	side := float64(min(s.Width, s.Height))
	t := newTexture(r, l, size, period)
	if r.chance(common.Horizon) {
		t.patch(r, newTexture(r, newLook(r, newPalette(r)), size, side*r.in(span{0.05, 0.3})), &s.buf.cover, horizon(r, float64(size)))
	}
	textures := []*texture{}
	for range 3 {
		textures = append(textures, newTexture(r, newLook(r, newPalette(r)), tile(side/4), side*r.in(span{0.03, 0.12})))
	}
	if r.chance(common.Echo) {
		textures = append(textures, s.things[0].parts[0].tex)
	}
	for range r.count(common.Clutter) {
		shape := newThing(r, form(r.IntN(int(bar)+1)), none, 0)
		shape.size = side * r.inLog(span{0.03, 0.18})
		shape.route = path{{0, vec{float64(size) * r.Float64(), float64(size) * r.Float64()}}}
		tex := textures[r.IntN(len(textures))]
		for i := range shape.parts {
			t.patch(r, tex, &s.buf.cover, shape.parts[i].outline(nil, shape.pose(0).after(shape.parts[i].local(0)), 0))
		}
	}
	return t
}

// horizon returns the outline of the lower half of a tile, its borders waving so that they meet at
// the seam.
func horizon(r random, size float64) (points []vec) {
	const steps = 64
	a, b := r.wave(span{0, 0.06}, span{}), r.wave(span{0, 0.02}, span{})
	for i := range steps + 1 {
		x := float64(i) / steps
		y := 0.5 + a.amplitude*sine(6.2831853*x+a.phase) + b.amplitude*sine(3*6.2831853*x+b.phase)
		points = append(points, vec{x * size, y * size})
	}
	return append(points, vec{size, size}, vec{0, size})
}

// patch paints a texture inside an outline, which may cross the seam.
func (t *texture) patch(r random, with *texture, c *coverage, outline []vec) {
	c.reset(around(outline))
	c.outline(outline)
	du, dv := r.IntN(with.size), r.IntN(with.size)
	mask := t.size - 1
	for y := range c.h {
		for x, a := range c.at(y) {
			if a == 0 {
				continue
			}
			dst := t.rgb[((c.y0+y)&mask*t.size+(c.x0+x)&mask)*4:][:3]
			src := with.rgb[((y+dv)&(with.size-1)*with.size+(x+du)&(with.size-1))*4:][:3]
			k := int(256 * a)
			for i := range dst {
				dst[i] = uint8((int(dst[i])*(256-k) + int(src[i])*k) >> 8)
			}
		}
	}
}

// tile returns the power of two that is at least a length.
func tile(length float64) int {
	return 1 << bits.Len(uint(max(length, 32)-1))
}

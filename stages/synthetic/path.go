package synthetic

import "math"

// A path is a smooth curve through points at given times (a cubic Hermite spline whose slope at a
// point is that of the line between its neighbours), and a straight line before the first and after
// the last.
type path []knot

type knot struct {
	t float64
	p vec
}

// at returns the place at a time.
func (p path) at(t float64) vec {
	last := len(p) - 1
	switch {
	case t <= p[0].t:
		return p[0].p.add(p.slope(0).times(t - p[0].t))
	case t >= p[last].t:
		return p[last].p.add(p.slope(last).times(t - p[last].t))
	}
	i := 0
	for t > p[i+1].t {
		i++
	}
	a, b := p[i], p[i+1]
	d := b.t - a.t
	s := (t - a.t) / d
	s2, s3 := s*s, s*s*s
	return a.p.times(2*s3 - 3*s2 + 1).add(p.slope(i).times(d * (s3 - 2*s2 + s))).
		add(b.p.times(3*s2 - 2*s3)).add(p.slope(i + 1).times(d * (s3 - s2)))
}

// slope returns the velocity at a point.
func (p path) slope(i int) vec {
	a, b := p[max(i-1, 0)], p[min(i+1, len(p)-1)]
	if b.t == a.t {
		return vec{}
	}
	return b.p.sub(a.p).times(1 / (b.t - a.t))
}

// velocity returns the speed per frame at a time.
func (p path) velocity(t float64) vec { return p.at(t + 0.5).sub(p.at(t - 0.5)) }

// field is where a path may go: a frame less a margin.
type field struct{ w, h, margin float64 }

func (f field) place(r random) vec {
	mx, my := min(f.margin, 0.45*f.w), min(f.margin, 0.45*f.h)
	return vec{mx + (f.w-2*mx)*r.Float64(), my + (f.h-2*my)*r.Float64()}
}

// next returns a point at about a distance from p, inside the field.
func (f field) next(r random, p vec, distance float64) vec {
	for try := range 24 {
		if q := p.add(r.direction().times(distance)); q.within(f.w, f.h, f.margin) {
			return q
		} else if try > 12 {
			distance *= 0.93
		}
	}
	return f.place(r)
}

// wander continues a path until a time, forwards for end > 0 and backwards for end <= the first
// time.
func (p path) wander(r random, f field, speed, end float64) path {
	for last := p[len(p)-1]; last.t < end; last = p[len(p)-1] {
		d := r.in(common.Knots)
		p = append(p, knot{last.t + d, f.next(r, last.p, speed*d)})
	}
	return p
}

// back puts points before the first, until a time.
func (p path) back(r random, f field, speed, begin float64) path {
	for p[0].t > begin {
		d := r.in(common.Knots)
		p = append(path{{p[0].t - d, f.next(r, p[0].p, speed*d)}}, p...)
	}
	return p
}

// excursions returns a path that leaves the frame and comes back, n times in a clip of that many
// frames.
func excursions(r random, event, lasts span, w, h, reach, speed, frames float64, n int) path {
	inside := field{w, h, reach}
	share := frames / float64(n)
	var p path
	for k := range n {
		leave := share * (float64(k) + r.in(event))
		last := max(2.2, share*r.in(lasts))
		travel := min(max(share*0.18, 2), 14) // frames from inside to outside
		side, near := r.IntN(4), reach+0.2*min(w, h)*r.Float64()
		out := reach*1.1 + 2
		at := func(depth, along float64) vec {
			switch along = min(max(along, 0.15), 0.85); side {
			case 0:
				return vec{depth, along * h}
			case 1:
				return vec{w - depth, along * h}
			case 2:
				return vec{along * w, depth}
			}
			return vec{along * w, h - depth}
		}
		along := r.in(span{0.2, 0.8})
		if before := leave - travel; k == 0 && before < 4 {
			p = append(p, knot{-1, at(near, along+r.in(span{-0.1, 0.1}))})
		} else {
			if k == 0 {
				p = append(p, knot{before, at(near, along+r.in(span{-0.15, 0.15}))}).back(r, inside, speed, 0)
			} else if gap := before - p[len(p)-1].t; gap > 0 {
				p = append(p, knot{before, at(near, along)})
			}
		}
		away := along + r.in(span{-0.35, 0.35})
		p = append(p, knot{leave, at(-out, along)}, knot{leave + last, at(-out, away)},
			knot{leave + last + travel, at(near, away+r.in(span{-0.1, 0.1}))})
	}
	return p.wander(r, inside, speed, frames)
}

// through returns a path that is at a place at a time with a velocity, and wanders before and
// after.
func through(r random, f field, p, velocity vec, t, speed, frames float64) path {
	const straight = 9 // frames to both sides
	clamp := func(q vec) vec {
		m := f.margin * 0.3
		return vec{math.Min(math.Max(q.x, m), f.w-m), math.Min(math.Max(q.y, m), f.h-m)}
	}
	a, b := p.sub(velocity.times(straight)), p.add(velocity.times(straight))
	if frames > 20 { // a short clip has no time to turn back
		a, b = clamp(a), clamp(b)
	}
	return path{{t - straight, a}, {t, p}, {t + straight, b}}.back(r, f, speed, 0).wander(r, f, speed, frames)
}

package synthetic

import "math"

// coverage turns outlines into the exact share of each pixel that they cover.
//
// Each edge is cut at pixel rows. In a row it adds, at the pixels that it passes, the signed change
// of covered area that it causes there and to the right; a running sum over the row then gives the
// coverage. The sign comes from the edge's direction, so the inside of a closed outline sums to one
// or minus one.
type coverage struct {
	x0, y0, w, h int
	change       []float64 // (w+2)*h
}

// reset prepares for outlines within a rectangle. Parts left of it count, parts to its right have
// no effect.
func (c *coverage) reset(r rect) {
	c.x0, c.y0, c.w, c.h = r.x0, r.y0, r.w(), r.h()
	n := (c.w + 2) * c.h
	if cap(c.change) < n {
		c.change = make([]float64, n)
	}
	c.change = c.change[:n]
	clear(c.change)
}

// outline adds a closed polygon.
func (c *coverage) outline(points []vec) {
	prev := points[len(points)-1]
	for _, p := range points {
		c.edge(prev, p)
		prev = p
	}
}

func (c *coverage) edge(p, q vec) {
	p, q = p.sub(vec{float64(c.x0), float64(c.y0)}), q.sub(vec{float64(c.x0), float64(c.y0)})
	sign := 1.0
	if p.y > q.y {
		p, q, sign = q, p, -1
	}
	if q.y <= 0 || p.y >= float64(c.h) || p.y == q.y {
		return
	}
	slope := (q.x - p.x) / (q.y - p.y)
	right := float64(c.w)
	for y := max(0, int(p.y)); y < c.h && float64(y) < q.y; y++ {
		top, bottom := max(p.y, float64(y)), min(q.y, float64(y+1))
		xa, xb := p.x+(top-p.y)*slope, p.x+(bottom-p.y)*slope
		if xa > xb {
			xa, xb = xb, xa
		}
		xa, xb = min(max(xa, 0), right), min(max(xb, 0), right)
		c.row(c.change[y*(c.w+2):], xa, xb, sign*(bottom-top))
	}
}

// row spreads a change of coverage over the pixels between xa <= xb.
func (c *coverage) row(row []float64, xa, xb, change float64) {
	first, last := int(xa), int(xb)
	if first == last {
		inside := float64(first+1) - (xa+xb)/2 // share of the pixel to the right of the edge
		row[first] += change * inside
		row[first+1] += change * (1 - inside)
		return
	}
	perX := change / (xb - xa)
	carried := 0.0 // of the change, what earlier pixels got
	for x := first; x <= last; x++ {
		l, r := max(xa, float64(x)), min(xb, float64(x+1))
		part := perX * (r - l)
		inside := part * (float64(x+1) - (l+r)/2)
		row[x] += carried + inside
		carried = part - inside
	}
	row[last+1] += carried
}

// at returns a row of coverages, 0 to 1. It must be called once for each row.
func (c *coverage) at(y int) []float64 {
	row := c.change[y*(c.w+2):][:c.w]
	sum := 0.0
	for x, d := range row {
		sum += d
		row[x] = min(math.Abs(sum), 1)
	}
	return row
}

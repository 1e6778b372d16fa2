package mask

import "sort"

// A network's mask is logits on a coarse grid. At the video's resolution it is where the logits,
// enlarged bilinearly (align_corners=false), are above 0.

// Enlarge returns the mask w x h of logits side x side, and the box around it. It interpolates row
// by row in float32 with float32 source coordinates, as the reference does. No mean of numbers that
// are not positive is positive, so only what lies between source columns and rows with a positive
// logit is looked at.
func Enlarge(logits []float32, side, w, h int) (*Mask, Box) {
	m := &Mask{W: w, H: h, Pix: make([]uint8, w*h)}
	if len(logits) == 0 {
		return m, Box{}
	}
	x0, x1, fx := axis(side, w)
	y0, y1, fy := axis(side, h)
	xmin, ymin, xmax, ymax := w, h, -1, -1
	first, last := positive(logits, side)
	for y := range h {
		from, to := min(first[y0[y]], first[y1[y]]), max(last[y0[y]], last[y1[y]])
		if to < 0 {
			continue
		}
		a, b := logits[y0[y]*side:][:side], logits[y1[y]*side:][:side]
		w1 := fy[y]
		row := m.Pix[y*w:][:w]
		for x := sort.SearchInts(x1, from); x < w && x0[x] <= to; x++ {
			top := (1-fx[x])*a[x0[x]] + fx[x]*a[x1[x]]
			bottom := (1-fx[x])*b[x0[x]] + fx[x]*b[x1[x]]
			if (1-w1)*top+w1*bottom > 0 {
				row[x] = 1
				xmin, xmax, ymin, ymax = min(xmin, x), max(xmax, x), min(ymin, y), y
			}
		}
	}
	if xmax < 0 {
		return m, Box{}
	}
	return m, Box{float64(xmin), float64(ymin), float64(xmax + 1), float64(ymax + 1)}
}

// positive returns the first and the last column with a positive logit of each row, the side and -1
// without one.
func positive(logits []float32, side int) (first, last []int) {
	first, last = make([]int, side), make([]int, side)
	for y := range side {
		first[y], last[y] = side, -1
		for x, v := range logits[y*side:][:side] {
			if v > 0 {
				first[y], last[y] = min(first[y], x), x
			}
		}
	}
	return first, last
}

// axis returns the two source indices and the weight of the second for each output index of one
// axis.
func axis(in, out int) (lo, hi []int, frac []float32) {
	lo, hi, frac = make([]int, out), make([]int, out), make([]float32, out)
	scale := float32(in) / float32(out)
	for i := range out {
		r := max(scale*(float32(i)+0.5)-0.5, 0)
		lo[i] = int(r)
		hi[i] = min(lo[i]+1, in-1)
		frac[i] = r - float32(lo[i])
	}
	return lo, hi, frac
}

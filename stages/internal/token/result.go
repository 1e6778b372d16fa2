package token

import (
	"sort"
	"sync"
)

// Result is the host side of the chosen answers, for sinks. It carries no lease.
type Result struct {
	*Header
	Objects []*Tracked
}

// Tracked is where one object is on one frame.
type Tracked struct {
	Object      int
	Logits      []float32 // Side*Side low-resolution logits, nil for dry runs
	Side        int       // S/4
	Width       int       // stored pixels of the upright frame
	Height      int
	Chosen      int     // index among the candidates, counted as in the multimask output; 0 when there was one
	IoU         float32 // predicted IoU
	ObjectLogit float32
	KFScore     *float64 // nil when the filter had no say
	FilterStage string   // "start", "warm-up", "motion"; "" when the filter did not run
	Appears     bool     // ObjectLogit above the threshold of the select stage

	once  sync.Once
	mask  *Mask
	box   [4]int
	found bool // some pixel is in the mask
}

// Mask returns the mask at the video's resolution: the logits enlarged bilinearly (align_corners=false), > 0.
func (t *Tracked) Mask() *Mask { t.once.Do(t.enlarge); return t.mask }

// Box returns x, y, w, h of the mask at the video's resolution, w = xmax - xmin as in LaSOT; zeros when it is empty.
func (t *Tracked) Box() [4]int { t.once.Do(t.enlarge); return t.box }

// Lost says whether no pixel belongs to the object.
func (t *Tracked) Lost() bool { t.once.Do(t.enlarge); return !t.found }

// enlarge interpolates row by row in float32 with float32 source coordinates, as the reference does. No mean of numbers
// that are not positive is positive, so only what lies between source columns and rows with a positive logit is looked at.
func (t *Tracked) enlarge() {
	m := &Mask{W: t.Width, H: t.Height, Pix: make([]uint8, t.Width*t.Height)}
	t.mask = m
	if len(t.Logits) == 0 || !t.Appears {
		return
	}
	x0, x1, fx := axis(t.Side, t.Width)
	y0, y1, fy := axis(t.Side, t.Height)
	xmin, ymin, xmax, ymax := t.Width, t.Height, -1, -1
	first, last := positive(t.Logits, t.Side)
	for y := range t.Height {
		from, to := min(first[y0[y]], first[y1[y]]), max(last[y0[y]], last[y1[y]])
		if to < 0 {
			continue
		}
		a, b := t.Logits[y0[y]*t.Side:][:t.Side], t.Logits[y1[y]*t.Side:][:t.Side]
		w := fy[y]
		row := m.Pix[y*t.Width:][:t.Width]
		for x := sort.SearchInts(x1, from); x < t.Width && x0[x] <= to; x++ {
			top := (1-fx[x])*a[x0[x]] + fx[x]*a[x1[x]]
			bottom := (1-fx[x])*b[x0[x]] + fx[x]*b[x1[x]]
			if (1-w)*top+w*bottom > 0 {
				row[x] = 1
				xmin, xmax, ymin, ymax = min(xmin, x), max(xmax, x), min(ymin, y), y
			}
		}
	}
	if t.found = xmax >= 0; t.found {
		t.box = [4]int{xmin, ymin, xmax - xmin, ymax - ymin}
	}
}

// positive returns the first and the last column with a positive logit of each row, the width and -1 without one.
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

// axis returns the two source indices and the weight of the second for each output index of one axis.
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

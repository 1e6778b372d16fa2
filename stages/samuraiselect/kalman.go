package samuraiselect

// The motion filter: a Kalman filter of constant velocity over a box (centre x, centre y, aspect ratio w/h, height h),
// one frame per step, in model pixels. The state has a velocity for each of the four, and the noise scales with the
// height. All its matrices couple a coordinate only with its own velocity, so the 8-state filter is exactly four
// filters of two states; only the height's value reaches the other three, through the noise.

const (
	posWeight = 1.0 / 20
	velWeight = 1.0 / 160
)

// The coordinates of a filter, in order.
const (
	cx = iota
	cy
	aspect
	height
)

// Coordinate is one value and its velocity: their means, and the covariance matrix [[Var, Cov], [Cov, VarV]].
type Coordinate struct{ X, V, Var, Cov, VarV float64 }

// Filter is the state of the motion model of one object: centre x, centre y, aspect ratio, height.
type Filter [4]Coordinate

// initiate starts a filter at a box, at rest.
func initiate(z [4]float64) Filter {
	var f Filter
	for i := range f {
		sp, sv := 2*posWeight*z[height], 10*velWeight*z[height]
		if i == aspect {
			sp, sv = 1e-2, 1e-5
		}
		f[i] = Coordinate{X: z[i], Var: sp * sp, VarV: sv * sv}
	}
	return f
}

// predict advances by one frame.
func (f *Filter) predict() {
	h := f[height].X
	for i := range f {
		q, qv := posWeight*h, velWeight*h
		if i == aspect {
			q, qv = 1e-2, 1e-5
		}
		k := &f[i]
		k.X += k.V
		k.Var += 2*k.Cov + k.VarV + q*q
		k.Cov += k.VarV
		k.VarV += qv * qv
	}
}

// update corrects the prediction by a measured box.
func (f *Filter) update(z [4]float64) {
	h := f[height].X
	for i := range f {
		r := posWeight * h
		if i == aspect {
			r = 1e-1
		}
		k := &f[i]
		s := k.Var + r*r
		gain, gainV, e := k.Var/s, k.Cov/s, z[i]-k.X
		k.X += gain * e
		k.V += gainV * e
		k.Var, k.Cov, k.VarV = k.Var-gain*gain*s, k.Cov-gain*gainV*s, k.VarV-gainV*gainV*s
	}
}

// measure turns inclusive corners into (cx, cy, w/h, h). A box without height, the empty one above all, gets height 1.
func measure(b [4]int32) [4]float64 {
	w, h := float64(b[2]-b[0]), float64(b[3]-b[1])
	if h == 0 {
		h = 1
	}
	return [4]float64{float64(b[0]+b[2]) / 2, float64(b[1]+b[3]) / 2, w / h, h}
}

// iou compares the filter's box with a candidate's; 0 for an empty candidate. Neither is clipped to the picture.
func (f *Filter) iou(b [4]int32) float64 {
	if b == [4]int32{} {
		return 0
	}
	w, h := f[aspect].X*f[height].X, f[height].X
	x0, y0, x1, y1 := f[cx].X-w/2, f[cy].X-h/2, f[cx].X+w/2, f[cy].X+h/2
	bx0, by0, bx1, by1 := float64(b[0]), float64(b[1]), float64(b[2]), float64(b[3])
	inter := max(0, min(x1, bx1)-max(x0, bx0)) * max(0, min(y1, by1)-max(y0, by0))
	union := (x1-x0)*(y1-y0) + (bx1-bx0)*(by1-by0) - inter
	if union == 0 {
		return 0
	}
	return inter / union
}

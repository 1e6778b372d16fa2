package samuraiselect

import "github.com/seed49bbd0e6/tachi/stages/internal/token"

// The motion filter: a Kalman filter of constant velocity over a box (centre x, centre y, aspect
// ratio w/h, height h), one frame per step, in model pixels. The state has a velocity for each of
// the four, and the noise scales with the height. All its matrices couple a coordinate only with
// its own velocity, so the 8-state filter is exactly four filters of two states; only the height's
// value reaches the other three, through the noise.

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

// Coordinate is one value and its velocity: their means, and the covariance matrix [[Var, Cov],
// [Cov, VarV]].
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

// measure turns the span of a mask into (cx, cy, w/h, h). One without height, the empty one above
// all, gets height 1.
func measure(span token.Box) [4]float64 {
	h := span.Height()
	if h == 0 {
		h = 1
	}
	return [4]float64{(span.X0 + span.X1) / 2, (span.Y0 + span.Y1) / 2, span.Width() / h, h}
}

// iou compares the filter's box with the span of a candidate; 0 for an empty candidate. Neither is
// clipped to the picture.
func (f *Filter) iou(span token.Box) float64 {
	if span == (token.Box{}) {
		return 0
	}
	w, h := f[aspect].X*f[height].X, f[height].X
	return token.Box{X0: f[cx].X - w/2, Y0: f[cy].X - h/2, X1: f[cx].X + w/2, Y1: f[cy].X + h/2}.IoU(span)
}

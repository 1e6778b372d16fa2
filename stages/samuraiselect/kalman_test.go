package samuraiselect

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// full is the textbook filter with 8x8 matrices: state (x, y, a, h and their velocities).
type full struct {
	mean [8]float64
	cov  [8][8]float64
}

func square(std [8]float64) (m [8][8]float64) {
	for i, s := range std {
		m[i][i] = s * s
	}
	return m
}

func (k *full) initiate(z [4]float64) {
	*k = full{}
	copy(k.mean[:], z[:])
	h := z[3]
	k.cov = square([8]float64{h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16})
}

func (k *full) predict() {
	h := k.mean[3]
	q := square([8]float64{h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160})
	var f, fp [8][8]float64
	for i := range f {
		f[i][i] = 1
		if i < 4 {
			f[i][i+4] = 1
			k.mean[i] += k.mean[i+4]
		}
	}
	for i := range 8 {
		for j := range 8 {
			for l := range 8 {
				fp[i][j] += f[i][l] * k.cov[l][j]
			}
		}
	}
	k.cov = q
	for i := range 8 {
		for j := range 8 {
			for l := range 8 {
				k.cov[i][j] += fp[i][l] * f[j][l]
			}
		}
	}
}

func (k *full) update(z [4]float64) {
	h := k.mean[3]
	r := [4]float64{h / 20, h / 20, 1e-1, h / 20}
	var s [4][8]float64 // [S | I], reduced to [I | S^-1]
	for i := range 4 {
		for j := range 4 {
			s[i][j] = k.cov[i][j]
		}
		s[i][i] += r[i] * r[i]
		s[i][4+i] = 1
	}
	sOrig := s
	for i := range 4 {
		pivot := s[i][i]
		for j := range s[i] {
			s[i][j] /= pivot
		}
		for l := range 4 {
			if factor := s[l][i]; l != i {
				for j := range s[l] {
					s[l][j] -= factor * s[i][j]
				}
			}
		}
	}
	var gain, gs [8][4]float64
	for i := range 8 {
		for j := range 4 {
			for l := range 4 {
				gain[i][j] += k.cov[i][l] * s[l][4+j]
			}
		}
	}
	var innovation [4]float64
	for i := range 4 {
		innovation[i] = z[i] - k.mean[i]
	}
	for i := range 8 {
		for j := range 4 {
			k.mean[i] += gain[i][j] * innovation[j]
			for l := range 4 {
				gs[i][j] += gain[i][l] * sOrig[l][j]
			}
		}
	}
	for i := range 8 {
		for j := range 8 {
			for l := range 4 {
				k.cov[i][j] -= gs[i][l] * gain[j][l]
			}
		}
	}
}

func TestFourSmallFiltersAreTheFullFilter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var want full
	var got Filter
	z := [4]float64{500, 400, 0.7, 180}
	want.initiate(z)
	got = initiate(z)
	for step := range 200 {
		want.predict()
		got.predict()
		if r.IntN(5) > 0 {
			z = [4]float64{z[0] + 20*r.NormFloat64(), z[1] + 20*r.NormFloat64(), 0.7 + 0.1*r.Float64(), 180 + 10*r.NormFloat64()}
			want.update(z)
			got.update(z)
		}
		for i, k := range got {
			for _, pair := range [][2]float64{{k.X, want.mean[i]}, {k.V, want.mean[i+4]}, {k.Var, want.cov[i][i]}, {k.Cov, want.cov[i][i+4]}, {k.VarV, want.cov[i+4][i+4]}} {
				if math.Abs(pair[0]-pair[1]) > 1e-9*(1+math.Abs(pair[1])) {
					t.Fatalf("step %d, coordinate %d: got %v, want %v", step, i, pair[0], pair[1])
				}
			}
		}
	}
}

// An object that vanishes with good predicted IoUs drags the filter to the corner. The numbers are
// those of the upstream class: a 200 px object seen for 15 frames, n empty updates, then the object
// again where it was.
func TestEmptyBoxesPullTheFilterAwayAsUpstream(t *testing.T) {
	box := token.Box{X0: 400, Y0: 400, X1: 600, Y1: 600}
	for _, tt := range []struct{ empty, blind int }{{1, 1}, {2, 12}, {3, 15}, {5, 16}, {10, 1}, {30, 2}} {
		f := initiate(measure(box))
		for range 15 {
			f.predict()
			f.update(measure(box))
		}
		for range tt.empty {
			f.predict()
			f.update(measure(token.Box{}))
		}
		blind := 0
		for {
			f.predict()
			if f.iou(box) > 0 {
				break
			}
			f.update(measure(box))
			blind++
		}
		if blind != tt.blind {
			t.Errorf("after %d empty boxes the motion score is 0 for %d frames, want %d", tt.empty, blind, tt.blind)
		}
	}
}

func TestTheFilterStartsThenWarmsUpThenWeighsMotion(t *testing.T) {
	r := rule{frames: 3, iou: 0.3, weight: 0.25}
	still := token.Box{X0: 100, Y0: 100, X1: 200, Y1: 200}
	away := token.Box{X0: 600, Y0: 600, X1: 700, Y1: 700}
	m := &ObjectMotion{}
	steps := []struct {
		iou    []float32
		boxes  []token.Box
		index  int
		stage  string
		stable int
	}{
		{[]float32{0.2, 0.1, 0.0}, []token.Box{still, away, away}, 0, "start", 1}, // whatever the IoU
		{[]float32{0.5, 0.9, 0.1}, []token.Box{away, still, away}, 1, "warm-up", 2},
		{[]float32{0.3, 0.1, 0.1}, []token.Box{still, away, away}, 0, "warm-up", 0}, // 0.3 is not above 0.3
		{[]float32{0.1, 0.9, 0.1}, []token.Box{away, still, away}, 1, "start", 1},
		{[]float32{0.1, 0.9, 0.1}, []token.Box{away, still, away}, 1, "warm-up", 2},
		{[]float32{0.1, 0.9, 0.1}, []token.Box{away, still, away}, 1, "warm-up", 3},
		{[]float32{0.9, 0.8, 0.1}, []token.Box{away, still, away}, 1, "motion", 3},  // motion overrules a higher IoU
		{[]float32{0.3, 0.3, 0.3}, []token.Box{still, still, away}, 0, "motion", 3}, // 0.3 is not below 0.3; the first of equals
		{[]float32{0.1, 0.2, 0.1}, []token.Box{still, still, away}, 1, "motion", 0},
		{[]float32{0.9, 0.2, 0.1}, []token.Box{away, still, still}, 0, "start", 1},
	}
	for i, s := range steps {
		c := r.pick(m, s.iou, s.boxes)
		if c.Index != s.index || c.FilterStage != s.stage || m.Stable != s.stable {
			t.Fatalf("step %d: chose %d in stage %q with %d stable frames, want %d, %q, %d", i, c.Index, c.FilterStage, m.Stable, s.index, s.stage, s.stable)
		}
		if (c.KFScore != nil) != (s.stage == "motion") {
			t.Fatalf("step %d: motion score %v in stage %q", i, c.KFScore, c.FilterStage)
		}
	}
}

func TestAMaskOfOnePixelAtTheOriginIsTakenForEmpty(t *testing.T) {
	f := initiate(measure(token.Box{X0: 0, Y0: 0, X1: 10, Y1: 10}))
	if got := f.iou(token.Box{}); got != 0 {
		t.Errorf("IoU with the box 0,0,0,0 is %v", got)
	}
	if got := measure(token.Box{}); got != [4]float64{0, 0, 0, 1} {
		t.Errorf("the empty box measures %v", got)
	}
}

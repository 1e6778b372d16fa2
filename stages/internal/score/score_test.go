package score

import (
	"math"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/internal/mask"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-12 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestMasksOverlap(t *testing.T) {
	near(t, "one of three", IoU([]uint8{1, 1, 0, 0}, []uint8{0, 1, 1, 0}), 1.0/3)
	near(t, "both empty", IoU(make([]uint8, 4), make([]uint8, 4)), 1)
	near(t, "a false alarm", IoU(make([]uint8, 2), []uint8{0, 1}), 0)
}

func TestRegionLeavesOutTheFirstAndTheLastFrame(t *testing.T) {
	j, err := Region([]float64{0, 0.5, 1, 0})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "J", j, 0.75)
	if _, err := Region([]float64{1, 1}); err == nil || !strings.Contains(err.Error(), "2 frames") {
		t.Errorf("two frames: %v", err)
	}
}

// Five frames by hand, the true box 40 x 20 at the origin:
//
//	0  the result is nonsense, but counts as right: IoU 1
//	1  20 to the right: 20*20 / (2*800-400) = 1/3; centres 20 apart, 0.5 of the width
//	2  no result: the box of frame 1 again
//	3  absent: left out
//	4  4 down: 40*16 / (1600-640) = 2/3; 4 apart, 0.2 of the height
//
// IoU > t at 0, 0.05 ... 1 holds for 20, 7, 7 and 14 of 21 thresholds.
func TestTrackingByHand(t *testing.T) {
	box := mask.XYWH(0, 0, 40, 20)
	truth := []Box{box, box, box, box, box}
	result := []Box{mask.XYWH(500, 500, 1, 1), mask.XYWH(20, 0, 40, 20), {}, mask.XYWH(900, 0, 40, 20), mask.XYWH(0, 4, 40, 20)}
	absent := []bool{false, false, false, true, false}
	s, err := Track(truth, result, absent)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "AUC", s.AUC, (20.0+7+7+14)/21/4)
	near(t, "precision", s.Precision, 1)
	near(t, "normalised precision", s.Normalized, 0.5)
	if s.Frames != 4 {
		t.Errorf("%d frames count, want 4", s.Frames)
	}
	result[1] = mask.XYWH(20.5, 0, 40, 20) // now more than 20 pixels, on two frames
	if s, _ = Track(truth, result, absent); s.Precision != 0.5 {
		t.Errorf("precision beyond 20 pixels is %v", s.Precision)
	}
}

func TestAnEmptyTrueBoxIsAbsence(t *testing.T) {
	truth := []Box{mask.XYWH(0, 0, 5, 5), {}, mask.XYWH(0, 0, 5, 5)}
	s, err := Track(truth, []Box{mask.XYWH(0, 0, 5, 5), mask.XYWH(90, 90, 5, 5), mask.XYWH(0, 0, 5, 5)}, nil)
	if err != nil || s.Frames != 2 {
		t.Fatalf("%d frames count, want 2: %v", s.Frames, err)
	}
	near(t, "AUC of exact boxes", s.AUC, 20.0/21)
	// The rule of the last box: what was found while the target was absent is held.
	s, _ = Track(truth, []Box{mask.XYWH(0, 0, 5, 5), mask.XYWH(90, 90, 5, 5), {}}, nil)
	near(t, "AUC after a false alarm", s.AUC, 10.0/21)
}

func TestLengthsMustAgree(t *testing.T) {
	two := make([]Box, 2)
	for _, c := range []struct {
		truth, result []Box
		absent        []bool
		want          string
	}{
		{two, two[:1], nil, "the result has 1 frames, the truth has 2"},
		{two, two, make([]bool, 3), "3 flags of absence for 2 frames"},
		{two, two, nil, "absent on every frame"},
	} {
		if _, err := Track(c.truth, c.result, c.absent); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestBaselines(t *testing.T) {
	const w, h = 20, 4 // a block 2 x 2 that moves 3 to the right on each of four frames
	truth, masks := []Box{}, []*Areas{}
	for i := range 4 {
		pix := make([]uint8, w*h)
		for y := 1; y < 3; y++ {
			pix[y*w+1+3*i], pix[y*w+2+3*i] = 1, 1
		}
		truth, masks = append(truth, mask.XYWH(float64(1+3*i), 1, 2, 2)), append(masks, NewAreas(pix, w, h))
	}
	near(t, "held", Mean(Fill(Held(truth), masks)), 0.25)
	near(t, "constant velocity", Mean(Fill(ConstantVelocity(truth, masks), masks)), 1)
	near(t, "a box half outside", masks[0].IoU(mask.XYWH(-3, 1, 5, 2)), 2.0/6)
	near(t, "nothing and nothing", NewAreas(make([]uint8, w*h), w, h).IoU(mask.XYWH(-9, 0, 3, 3)), 1)
}

// A box compared with itself overlaps by exactly 1, which is not above the last threshold, however
// its corners are rounded.
func TestAnExactResultOfFractionalBoxesHasTwentyOfTwentyOneThresholds(t *testing.T) {
	var truth []Box
	for i := range 200 {
		f := float64(i)
		truth = append(truth, mask.XYWH(0.1*f, 0.7*f, 3.3+0.01*f, 5.9+0.07*f))
	}
	s, err := Track(truth, truth, nil)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "AUC", s.AUC, 20.0/21)
	near(t, "precision", s.Precision, 1)
}

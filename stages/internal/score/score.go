// Package score holds the measures of tracking: the region similarity J of DAVIS for masks, and the
// success, precision and normalised precision of LaSOT for boxes. The functions are pure; what the
// protocols leave open is said here.
//
// DAVIS (Perazzi et al. 2016, semi-supervised): J of a frame is the intersection of the two masks
// over their union, and 1 when both are empty. The first frame, whose mask is given, and the last
// are left out. The mean is over the frames of an object, then over objects.
//
// LaSOT (Fan et al. 2019, one-pass evaluation): success at a threshold is the share of frames whose
// boxes overlap by more, and its AUC the mean over the thresholds 0, 0.05 ... 1: an exact result
// has 20/21. Precision is the share of frames whose centres are at most 20 pixels apart; normalised
// precision measures the distance in widths and heights of the true box, here at most 0.2. The
// first result counts as right. A result without a box counts as the last box before. Frames on
// which the target is absent are left out.
package score

import (
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/stages/internal/mask"
)

// Box is a rectangle; an empty one means that there is none.
type Box = mask.Box

// IoU is the intersection of two masks of one size over their union, 1 when both are empty. Pixels
// are 0 or not.
func IoU(a, b []uint8) float64 {
	both, either := 0, 0
	for i, p := range a {
		if p != 0 && b[i] != 0 {
			both++
		}
		if p != 0 || b[i] != 0 {
			either++
		}
	}
	return ratio(both, either)
}

func ratio(both, either int) float64 {
	if either == 0 {
		return 1
	}
	return float64(both) / float64(either)
}

// Region is the mean of an object's J over its frames, the first and the last left out.
func Region(frames []float64) (float64, error) {
	if len(frames) < 3 {
		return 0, fmt.Errorf("%d frames: J leaves out the first and the last, and needs one between them", len(frames))
	}
	return Mean(frames[1 : len(frames)-1]), nil
}

// Mean of no values is 0.
func Mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(len(values), 1))
}

// Tracking is how well boxes follow boxes, each value between 0 and 1.
type Tracking struct {
	AUC        float64 // of success
	Precision  float64 // at 20 pixels
	Normalized float64 // precision at 0.2 of the true box
	Frames     int     // that count
}

// apart returns how far the centre of a box is from that of another.
func apart(b, from Box) (dx, dy float64) {
	return b.X0 + b.Width()/2 - from.X0 - from.Width()/2, b.Y0 + b.Height()/2 - from.Y0 - from.Height()/2
}

// Thresholds of the measures.
const (
	steps      = 20   // of success between 0 and 1
	pixels     = 20.0 // of precision
	normalized = 0.2  // of normalised precision
)

// Track compares boxes, one for each frame. A frame is absent when its flag says so or its true box
// is empty; nil stands for no flags.
func Track(truth, result []Box, absent []bool) (Tracking, error) {
	switch {
	case len(result) != len(truth):
		return Tracking{}, fmt.Errorf("the result has %d frames, the truth has %d", len(result), len(truth))
	case absent != nil && len(absent) != len(truth):
		return Tracking{}, fmt.Errorf("there are %d flags of absence for %d frames", len(absent), len(truth))
	}
	var s Tracking
	last := Box{}
	for i, t := range truth {
		r := result[i]
		if i == 0 {
			r = t
		} else if r.Empty() {
			r = last
		}
		last = r
		if t.Empty() || absent != nil && absent[i] {
			continue
		}
		s.Frames++
		overlap := r.IoU(t)
		for k := range steps + 1 {
			if overlap > float64(k)/steps {
				s.AUC++
			}
		}
		dx, dy := apart(r, t)
		if r.Empty() {
			continue // no box so far
		}
		if math.Hypot(dx, dy) <= pixels {
			s.Precision++
		}
		if math.Hypot(dx/t.Width(), dy/t.Height()) <= normalized {
			s.Normalized++
		}
	}
	if s.Frames == 0 {
		return Tracking{}, fmt.Errorf("the target is absent on every frame")
	}
	n := float64(s.Frames)
	s.AUC, s.Precision, s.Normalized = s.AUC/n/(steps+1), s.Precision/n, s.Normalized/n
	return s, nil
}

//go:build !nomedia

package media

import (
	"fmt"
	"math"

	"github.com/asticode/go-astiav"
)

// An mp4 has room for only so many ticks between the time at which a frame is decoded and the time
// at which it is shown: readers reject 2^28 and more. With B-frames x264 decodes a frame by the
// times of frames a few places before it, so a long gap between two frames comes to stand between
// those times.
//
// So the frame behind a long step is a key frame, across which nothing refers back, and what
// follows it is decoded right before it is shown.
type gaps struct {
	longest, most int64   // steps in the encoder's time base: beyond longest it is a gap, most is what an mp4 can hold
	last          int64   // time of the frame before, NoPtsValue before the first
	begins        []int64 // times of the first frame and of frames behind gaps, from the one that packets are at
	dts           int64   // of the packet before
}

const (
	gapTicks = 1 << 24 // times the 16 B-frames that x264 may have in a row: 2^28
	depth    = 16      // frames that are lifted behind a gap, at most
)

// newGaps is for an encoder and the stream that its packets go to, when the muxer has chosen the
// stream's time base.
func newGaps(encoder, stream astiav.Rational) gaps {
	return gaps{
		longest: astiav.RescaleQ(gapTicks, stream, encoder), most: astiav.RescaleQ(math.MaxInt32, stream, encoder),
		last: astiav.NoPtsValue, dts: math.MinInt64,
	}
}

// frame makes a frame that is about to be encoded a key frame where one is needed.
func (g *gaps) frame(f *astiav.Frame, unit float64) error {
	step := f.Pts() - g.last
	switch {
	case g.last == astiav.NoPtsValue:
		g.begins = append(g.begins, f.Pts())
	case step > g.most:
		return fmt.Errorf("it comes %.0f s after the frame before, and an mp4 with its times has room for %.0f s", float64(step)*unit, float64(g.most)*unit)
	case step > g.longest:
		f.SetPictureType(astiav.PictureTypeI)
		g.begins = append(g.begins, f.Pts())
	}
	g.last = f.Pts()
	return nil
}

// packet moves the time at which a packet is decoded across the gap before it.
func (g *gaps) packet(p *astiav.Packet) {
	for len(g.begins) > 1 && g.begins[1] <= p.Pts() {
		g.begins = g.begins[1:]
	}
	if begin := g.begins[0]; begin-p.Dts() > g.longest {
		p.SetDts(max(g.dts+1, begin-depth))
	}
	g.dts = p.Dts()
}

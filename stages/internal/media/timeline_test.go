//go:build !nomedia

package media

import (
	"bytes"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/asticode/go-astiav"
)

// Transport streams that are joined go on as one: every frame follows the one before, and the sound
// of each part is where it was relative to its pictures.
func TestJoinedStreamsGoOnWithoutTheJump(t *testing.T) {
	early, late := fixture(t, "plain.ts"), fixture(t, "late.ts")
	for name, c := range map[string]struct {
		parts [2][]byte
		by    float64
	}{
		"the same again":     {[2][]byte{early, early}, -1.2},
		"50 minutes earlier": {[2][]byte{late, early}, -3001.12},
		"50 minutes later":   {[2][]byte{early, late}, 2998.72},
	} {
		t.Run(name, func(t *testing.T) {
			alone, _ := readAll(t, openWith(t, temp(t, "one.ts", early), 1))
			r := openWith(t, temp(t, "two.ts", slices.Concat(c.parts[0], c.parts[1])), 1)
			frames, err := readAll(t, r)
			if err != io.EOF || len(frames) != 60 {
				t.Fatal(len(frames), err)
			}
			for i, f := range frames {
				if f.PTS-frames[0].PTS != int64(i)*3600 {
					t.Fatalf("frame %d is at %d, want %d", i, f.PTS-frames[0].PTS, i*3600)
				}
				if !bytes.Equal(f.RGB, alone[i%30].RGB) {
					t.Fatalf("frame %d shows something else", i)
				}
			}
			j := r.Jumps()
			if j.Count != 1 || j.Frame != 30 || math.Abs(j.Near-1.2) > 1e-4 || math.Abs(j.By-c.by) > 1e-4 {
				t.Errorf("%+v", j)
			}
			if r.Corrupt() != (Corrupt{}) {
				t.Errorf("a jump is no damage: %+v", r.Corrupt())
			}
			sound := func(frames []*Frame, begin int64) (at []int64) {
				for _, f := range frames {
					for _, p := range f.Audio {
						at = append(at, p.(*Packet).PTS-begin)
					}
				}
				return at
			}
			one := sound(alone, alone[0].PTS)
			both := sound(frames, frames[0].PTS)
			if want := slices.Concat(one, one); len(both) != len(want) {
				t.Fatalf("%d packets of audio, want %d", len(both), len(want))
			}
			for i, at := range both {
				want := one[i%len(one)] + int64(i/len(one))*30*3600
				if at != want {
					t.Errorf("audio packet %d is at %d, want %d", i, at, want)
				}
			}
		})
	}
}

func TestAClockThatBeginsAgainAtZeroHasNotJumped(t *testing.T) {
	r := open(t, "testdata/wrap.ts")
	frames, err := readAll(t, r)
	if err != io.EOF || len(frames) != 30 || r.Jumps().Count != 0 {
		t.Fatal(len(frames), err, r.Jumps())
	}
	if frames[29].PTS-frames[0].PTS != 29*3600 {
		t.Errorf("it lasts %d", frames[29].PTS-frames[0].PTS)
	}
}

// A clock that passes zero later than FFmpeg looks for it: the time only seems to go back.
func TestAFullTurnOfTheClockIsTakenOutOfAJump(t *testing.T) {
	c := clock{unit: 1. / 90000, cycle: 1 << 33, back: 0.02, forward: latest, last: 1<<33 - 3600, next: 1 << 33}
	if late, full, jump := c.late(0, 0); late != 0 || full != -1<<33 || jump {
		t.Error(late, full, jump)
	}
	if late, _, jump := c.late(-3000*90000, 0); late != -3000*90000 || !jump {
		t.Error(late, jump)
	}
}

func TestWhereTimesDoNotJumpAStepForwardIsAGap(t *testing.T) {
	fixed := clock{unit: 1. / 1000, back: 0.64, forward: math.Inf(1), last: 960, next: 1000}
	if late, _, jump := fixed.late(300_000, 0); late != 299_000 || jump {
		t.Error(late, jump)
	}
	if _, _, jump := fixed.late(0, 0); !jump {
		t.Error("time went back unseen")
	}
	jumpy := fixed
	jumpy.forward = latest
	for at, want := range map[int64]bool{9_000: false, 12_000: true} {
		if _, _, jump := jumpy.late(at, 0); jump != want {
			t.Error(at, jump)
		}
	}
}

// Program streams do not say of every picture when it is shown. The last one of a part may be one of
// those: the next part begins when it ends, not when it begins.
func TestAPartEndsWithAPictureThatDoesNotSayWhenItIsShown(t *testing.T) {
	const frame = 3000
	unit := 1.0 / 90000
	l := timeline{video: clock{unit: unit, back: frame * unit / 2, forward: latest, last: astiav.NoPtsValue, end: math.MinInt64, begin: math.MaxInt64}}
	// I, P, B, B; then a P that comes before the B that is shown first, and has no time of its own.
	part := [][2]int64{{3000, 0}, {12000, 3000}, {6000, 6000}, {9000, 9000}, {astiav.NoPtsValue, 12000}, {15000, 15000}}
	var shown []int64
	for range 2 {
		for _, times := range part {
			p := astiav.AllocPacket()
			defer p.Free()
			p.SetPts(times[0])
			p.SetDts(times[1])
			p.SetDuration(frame)
			l.picture(p, frame)
			shown = append(shown, p.Pts())
		}
	}
	// The first part has pictures from 3000 on, six of them: it ends at 21000.
	if want := int64(3000 + 6*frame); l.jumps.Count != 1 || shown[6] != want || shown[9] != want+2*frame {
		t.Errorf("%d jumps, the second part begins at %d, want %d: %v", l.jumps.Count, shown[6], want, shown)
	}
}

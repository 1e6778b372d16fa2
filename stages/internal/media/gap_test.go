//go:build !nomedia

package media

import (
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// A long gap between two frames stays as it is in the copy, which every reader accepts.
func TestALongGapIsCopied(t *testing.T) {
	for _, c := range []struct {
		unit int
		gaps map[int]int64 // frame -> seconds before it
	}{
		{1_000_000, map[int]int64{24: 300}}, {1_000_000, map[int]int64{1: 2000, 2: 2000, 47: 30}}, {90_000, map[int]int64{10: 4000, 30: 20_000}},
	} {
		to := filepath.Join(t.TempDir(), "gap.mp4")
		w, err := NewWriter(to, WriterOptions{Width: 64, Height: 64, TimeBase: token.Ratio{Num: 1, Den: c.unit}, Rate: token.Ratio{Num: 30, Den: 1}, CRF: 1, Preset: "veryfast", Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		var times []int64
		at, step := int64(0), int64(c.unit/30)
		for i := range 48 {
			at += step + c.gaps[i]*int64(c.unit)
			times = append(times, at)
			if err := w.Write(bytes.Repeat([]byte{byte(5 * i)}, 64*64*3), at, step, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r := open(t, to)
		frames, err := readAll(t, r)
		if err != io.EOF || len(frames) != 48 {
			t.Fatalf("1/%d: %d frames, then %v", c.unit, len(frames), err)
		}
		for i, f := range frames {
			got, want := float64(f.PTS-frames[0].PTS)*r.Stream().TimeBase.Float(), float64(times[i]-times[0])/float64(c.unit)
			if math.Abs(got-want) > 1e-4 || math.Abs(float64(f.RGB[0])-float64(5*i)) > 3 {
				t.Errorf("1/%d: frame %d is at %.4f s and shows %d, want %.4f s and %d", c.unit, i, got, f.RGB[0], want, 5*i)
			}
		}
		// no sample is shown longer after it is decoded than readers accept
		if late := latestComposition(t, to); late >= 1<<28 {
			t.Errorf("1/%d: a sample is shown %d ticks after it is decoded", c.unit, late)
		}
	}
}

// latestComposition reads the largest offset in an mp4's ctts box.
func latestComposition(t *testing.T, path string) (late int32) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("ctts"))
	if at < 0 {
		return 0
	}
	box := data[at+8:]
	number := func(i int) int32 {
		return int32(uint32(box[i])<<24 | uint32(box[i+1])<<16 | uint32(box[i+2])<<8 | uint32(box[i+3]))
	}
	for i := range int(number(0)) {
		late = max(late, number(8*i+8))
	}
	return late
}

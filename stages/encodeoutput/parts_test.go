//go:build !nomedia

package encodeoutput

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/internal/media"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// reordering are options with which the encoder codes some frames before others that are shown
// earlier.
func reordering(path string) *Options {
	o := options(path)
	o.Preset = "superfast"
	return o
}

// inParts writes frames with a checkpoint after every so many.
func inParts(t *testing.T, path string, frames []*token.Frame, every int) {
	t.Helper()
	e := env()
	node, err := Stage.Open(e, reordering(path))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		if _, err := node.Fire(t.Context(), []any{&In{Frame: f}}); err != nil {
			t.Fatal(err)
		}
		if (i+1)%every == 0 {
			if _, err := e.Save(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := node.Close(nil); err != nil {
		t.Fatal(err)
	}
}

// times tells when everything in a file is, in seconds; the rate is told apart.
func times(t *testing.T, path string) (frames, sound []string, rate token.Ratio) {
	t.Helper()
	r, err := media.Open(path, media.ReadOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := r.Stream()
	track, _ := s.Audio.(*media.Track)
	for {
		f, err := r.Next()
		if err == io.EOF {
			return frames, sound, s.Rate
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, fmt.Sprintf("%.6f", float64(f.PTS)*s.TimeBase.Float()))
		for _, a := range f.Audio {
			p := a.(*media.Packet)
			sound = append(sound, fmt.Sprintf("%.6f+%.6f %d bytes", float64(p.PTS)*track.TimeBase.Float(), float64(p.Duration)*track.TimeBase.Float(), len(p.Data)))
		}
	}
}

// Parts that are joined have the times of a file that was never in parts, wherever the sound begins
// and ends.
func TestPartsJoinToTheTimesOfOneFile(t *testing.T) {
	for _, c := range []struct {
		clip       string
		from, upTo int // frames with sound
		every      []int
		irregular  bool // the rate depends on which frame is coded last
	}{
		{"plain.mp4", 0, 30, []int{1, 7, 10, 29, 30}, false},
		{"plain.mkv", 0, 30, []int{7, 10}, true}, // times in milliseconds
		{"plain.mp4", 12, 30, []int{1, 5, 10}, false},
		{"plain.mp4", 0, 8, []int{1, 5, 10}, false},
		{"plain.mp4", 13, 18, []int{5, 7}, false},
		{"flac.mkv", 0, 30, []int{3, 7}, true},
		{"variable.mp4", 0, 30, []int{1, 3, 7}, true},
		{"aspect90.mp4", 0, 30, []int{3}, false},
		{"turned90.mp4", 0, 30, []int{2, 4, 5}, false}, // 30 frames a second, see below
	} {
		frames := clip(t, c.clip)
		for i := range frames {
			if i < c.from || i >= c.upTo {
				frames[i].Audio = nil
			}
		}
		if c.clip == "turned90.mp4" { // a thirtieth of a second is no whole number of milliseconds
			stream := *frames[0].Stream
			stream.TimeBase, stream.Rate = token.Ratio{Num: 1, Den: 30}, token.Ratio{Num: 30, Den: 1}
			for i, f := range frames {
				f.Stream, f.PTS, f.Duration = &stream, int64(i), 1
			}
		}
		dir := t.TempDir()
		one := filepath.Join(dir, "one.mp4")
		if err := write(t, reordering(one), frames, nil, nil); err != nil {
			t.Fatal(err)
		}
		wantFrames, wantSound, wantRate := times(t, one)
		if len(wantFrames) != len(frames) {
			t.Fatalf("%s: %d frames of %d", c.clip, len(wantFrames), len(frames))
		}
		for _, every := range c.every {
			path := filepath.Join(dir, fmt.Sprintf("every%d.mp4", every))
			inParts(t, path, frames, every)
			gotFrames, gotSound, rate := times(t, path)
			if fmt.Sprint(gotFrames) != fmt.Sprint(wantFrames) {
				t.Errorf("%s in parts of %d: frames at\n%v, want\n%v", c.clip, every, gotFrames, wantFrames)
			}
			if fmt.Sprint(gotSound) != fmt.Sprint(wantSound) {
				t.Errorf("%s in parts of %d: sound\n%v, want\n%v", c.clip, every, gotSound, wantSound)
			}
			if !c.irregular && rate != wantRate {
				t.Errorf("%s in parts of %d: %v frames per second, want %v", c.clip, every, rate, wantRate)
			}
		}
	}
}

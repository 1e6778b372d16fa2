//go:build !nomedia

package media

import (
	"errors"
	"io"
	"reflect"
	"testing"
)

// frames reads what is left of a video.
func frames(t *testing.T, r *Reader) (all []*Frame) {
	t.Helper()
	for {
		f, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
}

// What is read behind a frame that was found is what is read behind it from the beginning: pixels,
// times and audio.
func TestAReaderGoesOnBehindAFrameThatItFinds(t *testing.T) {
	for _, name := range []string{"plain.mp4", "plain.mkv", "variable.mp4", "turned90.mp4", "odd.mp4"} {
		all := frames(t, open(t, "testdata/"+name))
		for _, k := range []int{0, 1, len(all) / 2, len(all) - 2, len(all) - 1} {
			r := open(t, "testdata/"+name)
			if err := r.Find(MarkOf(all[k].PTS, all[k].RGB), k); err != nil {
				t.Errorf("%s: frame %d: %v", name, k, err)
				continue
			}
			rest := frames(t, r)
			if len(rest) != len(all)-k-1 {
				t.Errorf("%s: %d frames behind frame %d of %d", name, len(rest), k, len(all))
				continue
			}
			for i, f := range rest {
				if want := all[k+1+i]; !reflect.DeepEqual(f, want) {
					t.Errorf("%s: frame %d behind frame %d differs: number %d, time %d, %d packets; want %d, %d, %d", name, k+1+i, k,
						f.Index, f.PTS, len(f.Audio), want.Index, want.PTS, len(want.Audio))
				}
			}
		}
	}
}

func TestAFrameThatIsNotThereIsNotFound(t *testing.T) {
	all := frames(t, open(t, "testdata/plain.mp4"))
	for what, m := range map[string]Mark{
		"other pixels": MarkOf(all[5].PTS, all[6].RGB), "no such time": MarkOf(all[5].PTS+1, all[5].RGB), "beyond the end": MarkOf(1<<40, all[5].RGB),
	} {
		if err := open(t, "testdata/plain.mp4").Find(m, 5); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

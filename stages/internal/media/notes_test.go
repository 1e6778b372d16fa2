//go:build !nomedia

package media

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// The four quarters meet at 48, 32 of the whole picture, and so at 26, 26 of one that lacks 22
// columns and 6 rows.
func TestCropMovesThePicture(t *testing.T) {
	for _, name := range []string{"cropped.h264", "cropped.hevc", "aspect.mp4"} {
		r := open(t, "testdata/"+name)
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		at := func(x, y int) [3]uint8 { return [3]uint8(f.RGB[(y*r.stream.Width+x)*3:]) }
		for _, c := range []struct {
			x, y int
			want [3]uint8
		}{{23, 23, red}, {28, 23, green}, {23, 28, blue}, {28, 28, white}} {
			if got := at(c.x, c.y); !near(got, c.want, 40) {
				t.Errorf("%s: %v at %d,%d, want %v", name, got, c.x, c.y, c.want)
			}
		}
	}
}

// said reads a clip to its end and returns what was logged.
func said(t *testing.T, path string) string {
	t.Helper()
	l, b := log()
	r, err := Open(path, ReadOptions{Threads: 1, Log: l})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := readAll(t, r); err != io.EOF {
		t.Fatal(err)
	}
	return b.String()
}

func TestPixelsThatAreNotSquareAreSaidOnceAndKept(t *testing.T) {
	for _, c := range []struct {
		name, want    string
		width, height int
		aspect        token.Ratio
	}{
		{"aspect.mp4", "not square (4:3): a player shows it as 85x56, but boxes, points and masks are in stored pixels, 64x56", 64, 56, token.Ratio{Num: 4, Den: 3}},
		{"aspect90.mp4", "not square (3:4): a player shows it as 42x64, but boxes, points and masks are in stored pixels, 56x64", 56, 64, token.Ratio{Num: 3, Den: 4}},
	} {
		if got := said(t, "testdata/"+c.name); strings.Count(got, c.want) != 1 {
			t.Errorf("%s: said %q, want %q once", c.name, got, c.want)
		}
		to := filepath.Join(t.TempDir(), "copy.mp4")
		copyClip(t, "testdata/"+c.name, to)
		r := open(t, to)
		if p := r.Stream().Picture.(Picture); p.Aspect != c.aspect || r.Stream().Width != c.width || r.Stream().Height != c.height {
			t.Errorf("%s: the copy is %dx%d with pixels of %v", c.name, r.Stream().Width, r.Stream().Height, p.Aspect)
		}
	}
	if got := said(t, "testdata/plain.mp4"); got != "" {
		t.Errorf("plain.mp4: said %q", got)
	}
}

func TestInterlacedVideoIsSaidOnce(t *testing.T) {
	const want = "frame 0 is interlaced: its two fields stay woven together"
	if got := said(t, "testdata/laced.m2v"); strings.Count(got, want) != 1 || strings.Count(got, "interlaced:") != 1 {
		t.Errorf("said %q, want %q once", got, want)
	}
}

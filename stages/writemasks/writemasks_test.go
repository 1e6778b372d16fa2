package writemasks

import (
	"context"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

func TestThePaletteIsThatOfDAVIS(t *testing.T) {
	p := Palette()
	for i, want := range map[int]color.RGBA{0: {0, 0, 0, 255}, 1: {128, 0, 0, 255}, 2: {0, 128, 0, 255}, 3: {128, 128, 0, 255},
		4: {0, 0, 128, 255}, 8: {64, 0, 0, 255}, 20: {0, 64, 128, 255}, 255: {224, 224, 192, 255}} {
		if p[i] != want {
			t.Errorf("colour %d is %v, want %v", i, p[i], want)
		}
	}
}

// tracked is an object whose low-resolution mask is the left or right part of a 4x4 map, on a 4x4
// frame.
func tracked(object, from, to int) *token.Tracked {
	logits := make([]float32, 16)
	for i := range logits {
		logits[i] = -3
		if x := i % 4; x >= from && x < to {
			logits[i] = 3
		}
	}
	return &token.Tracked{Object: object, Logits: logits, Side: 4, Width: 4, Height: 4, Appears: true}
}

func TestMasksAreIndexedAndTheLowestIdWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "masks")
	fire, closer, err := open(&graph.Env{}, &Options{Path: graph.OutPath(path)})
	if err != nil {
		t.Fatal(err)
	}
	stream := &token.Stream{Width: 4, Height: 4}
	for i, name := range []string{"", "frame7"} {
		r := &token.Result{Header: &token.Header{Stream: stream, Index: i, Name: name}, Objects: []*token.Tracked{tracked(2, 0, 3), tracked(5, 2, 4)}}
		if err := fire(context.Background(), &In{r}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the folder has its final name before the end")
	}
	if err := closer(nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"00000.png", "frame7.png"} {
		f, err := os.Open(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		img, err := png.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		indexed, ok := img.(interface{ ColorIndexAt(x, y int) uint8 })
		if !ok {
			t.Fatalf("%s is %T, not indexed", name, img)
		}
		for x, want := range []uint8{2, 2, 2, 5} {
			if got := indexed.ColorIndexAt(x, 1); got != want {
				t.Errorf("%s: pixel %d is %d, want %d", name, x, got, want)
			}
		}
	}
}

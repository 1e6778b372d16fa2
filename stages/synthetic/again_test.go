package synthetic

import (
	"bytes"
	"slices"
	"testing"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

func TestDrawnFramesAreRepeated(t *testing.T) {
	o := Options{Width: 64, Height: 48, Frames: 9, FPS: 30, Seed: 1, Family: "easy", Drawn: 3}
	var first [][]byte
	err := o.Play(t.Context(), func(f *token.Frame) error {
		if f.Index < 3 {
			first = append(first, slices.Clone(f.RGB))
		}
		if want := []int{0, 1, 2, 1, 0, 1, 2, 1, 0}[f.Index]; !bytes.Equal(f.RGB, first[want]) {
			t.Errorf("frame %d is not frame %d again", f.Index, want)
		}
		return nil
	})
	if err != nil || len(first) != 3 {
		t.Errorf("%d frames, %v", len(first), err)
	}
}

package mask

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"testing"
)

func TestASizeIsRefusedBeforeThePixelsAreRead(t *testing.T) {
	var whole bytes.Buffer
	if err := png.Encode(&whole, image.NewGray(image.Rect(0, 0, 7, 3))); err != nil {
		t.Fatal(err)
	}
	if img, err := DecodePNG(whole.Bytes(), Bounded); err != nil || img.Bounds().Dx() != 7 || img.Bounds().Dy() != 3 {
		t.Errorf("%v, %v", img, err)
	}
	refused := errors.New("refused")
	header := whole.Bytes()[:33] // there are no pixels
	_, err := DecodePNG(header, func(w, h int) error {
		if w != 7 || h != 3 {
			t.Errorf("asked about %dx%d", w, h)
		}
		return refused
	})
	if err != refused {
		t.Errorf("%v", err)
	}
	if Bounded(1<<14, 1<<14) != nil || Bounded(1<<14, 1<<14+1) == nil {
		t.Errorf("the bound is not %d pixels", MaxPixels)
	}
}

package mask

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
)

// MaxPixels is the largest picture that is read.
const MaxPixels = 1 << 28

// DecodePNG reads a picture whose size is allowed: nil, or an error that says what is wrong with
// it. It is asked before the pixels are read, so that a header cannot ask for more memory than
// that.
func DecodePNG(data []byte, allowed func(w, h int) error) (image.Image, error) {
	about, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if err := allowed(about.Width, about.Height); err != nil {
		return nil, err
	}
	return png.Decode(bytes.NewReader(data))
}

// Bounded allows up to MaxPixels.
func Bounded(w, h int) error {
	if w*h > MaxPixels {
		return fmt.Errorf("%dx%d pixels are too many", w, h)
	}
	return nil
}

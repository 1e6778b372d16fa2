package prompt

import (
	"bytes"
	"fmt"
	"image"
	"image/png"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

const maxMask = 256 << 20

// readMask reads a PNG of the frame's size. A pixel belongs to the object when it is not zero: its index in a palette
// picture, its value in a gray one, otherwise any of its colours, where it is not transparent.
func readMask(path string, width, height int) (*token.Mask, error) {
	data, err := read(path, maxMask)
	if err != nil {
		return nil, err
	}
	return decodeMask(path, data, width, height)
}

func decodeMask(path string, data []byte, width, height int) (*token.Mask, error) {
	config, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// Compared before decoding, so that a picture cannot ask for more memory than a frame takes.
	if config.Width != width || config.Height != height {
		return nil, fmt.Errorf("%s: the mask is %dx%d, the frame %dx%d", path, config.Width, config.Height, width, height)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m := &token.Mask{W: width, H: height, Pix: make([]uint8, width*height)}
	set := pixels(img)
	found := false
	for y := range height {
		row := m.Pix[y*width:][:width]
		for x := range row {
			if set(x, y) {
				row[x], found = 1, true
			}
		}
	}
	if !found {
		return nil, fmt.Errorf("%s: every pixel of the mask is zero", path)
	}
	return m, nil
}

// pixels returns whether a pixel is set.
func pixels(img image.Image) func(x, y int) bool {
	switch img := img.(type) {
	case *image.Paletted:
		return func(x, y int) bool { return img.Pix[y*img.Stride+x] != 0 }
	case *image.Gray:
		return func(x, y int) bool { return img.Pix[y*img.Stride+x] != 0 }
	}
	return func(x, y int) bool {
		r, g, b, _ := img.At(x, y).RGBA()
		return r|g|b != 0
	}
}

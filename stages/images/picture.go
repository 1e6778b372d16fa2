package images

/*
#include "jpeg.h"
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"unsafe"

	"github.com/seed49bbd0e6/tachi/graph/infile"
	"github.com/seed49bbd0e6/tachi/stages/internal/mask"
)

// size reads the size of a JPEG or PNG file from its header, as it is shown.
func size(data []byte) (w, h int, err error) {
	w, h, err = stored(data)
	if orientation(data) >= 5 {
		w, h = h, w
	}
	return w, h, err
}

// stored reads the size before the picture is turned.
func stored(data []byte) (w, h int, err error) {
	if isPNG(data) {
		c, err := png.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			return 0, 0, err
		}
		w, h = c.Width, c.Height
	} else {
		var cw, ch C.int
		var message [C.TACHI_JPEG_TEXT]C.char
		if what := infile.Content(data); what == "empty" {
			return 0, 0, errors.New("is empty")
		} else if what != "" && what != "a JPEG picture" {
			return 0, 0, fmt.Errorf("is %s, whatever its name says: pictures are JPEG or PNG", what)
		}
		if C.tachi_jpeg_size(bytesOf(data), C.size_t(len(data)), &cw, &ch, &message[0]) != 0 {
			return 0, 0, errors.New(C.GoString(&message[0]))
		}
		w, h = int(cw), int(ch)
	}
	if w*h > mask.MaxPixels {
		return 0, 0, fmt.Errorf("%dx%d is too large", w, h)
	}
	return w, h, nil
}

// decode turns a file into w*h*3 bytes of RGB, as Pillow's convert("RGB") would. Which decoder
// reads it is decided by its content, whatever it is called. It is turned as its orientation tag
// says. w and h are what size said.
func decode(data []byte, w, h int) ([]uint8, error) {
	tag := orientation(data)
	if tag >= 5 {
		w, h = h, w
	}
	rgb, err := pixels(data, w, h)
	if err != nil {
		return nil, err
	}
	return turn(rgb, w, h, tag), nil
}

// pixels decodes a picture of w by h as it is stored.
func pixels(data []byte, w, h int) ([]uint8, error) {
	rgb := make([]uint8, w*h*3)
	if isPNG(data) {
		img, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return rgb, flatten(rgb, img)
	}
	var message [C.TACHI_JPEG_TEXT]C.char
	if C.tachi_jpeg_rgb(bytesOf(data), C.size_t(len(data)), bytesOf(rgb), C.int(w), C.int(h), &message[0]) != 0 {
		return nil, errors.New(C.GoString(&message[0]))
	}
	return rgb, nil
}

func bytesOf(b []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(b)) }

func isPNG(data []byte) bool { return bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) }

// flatten writes the colours of a PNG as they are stored: alpha is dropped, not blended; of 16 bits
// the upper 8 remain (in gray as well, where Pillow would make all but the darkest 255 of 65536
// levels white).
func flatten(rgb []uint8, img image.Image) error {
	w := img.Bounds().Dx()
	// pick copies pixels of step bytes whose red, green and blue stand at the offsets r, g and b.
	pick := func(pix []uint8, stride, step, r, g, b int) error {
		for y, o := 0, 0; y < img.Bounds().Dy(); y++ {
			row := pix[y*stride:][:w*step]
			for i := 0; i < len(row); i += step {
				rgb[o], rgb[o+1], rgb[o+2] = row[i+r], row[i+g], row[i+b]
				o += 3
			}
		}
		return nil
	}
	switch m := img.(type) {
	case *image.Gray:
		return pick(m.Pix, m.Stride, 1, 0, 0, 0)
	case *image.Gray16:
		return pick(m.Pix, m.Stride, 2, 0, 0, 0)
	case *image.RGBA: // PNG without alpha
		return pick(m.Pix, m.Stride, 4, 0, 1, 2)
	case *image.NRGBA:
		return pick(m.Pix, m.Stride, 4, 0, 1, 2)
	case *image.RGBA64:
		return pick(m.Pix, m.Stride, 8, 0, 2, 4)
	case *image.NRGBA64:
		return pick(m.Pix, m.Stride, 8, 0, 2, 4)
	case *image.Paletted:
		var table [256][3]uint8
		for i, c := range m.Palette {
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			if raw, ok := c.(color.NRGBA); ok {
				n = raw
			}
			table[i] = [3]uint8{n.R, n.G, n.B}
		}
		for y, o := 0, 0; y < m.Rect.Dy(); y++ {
			for _, p := range m.Pix[y*m.Stride:][:w] {
				o += copy(rgb[o:], table[p][:])
			}
		}
		return nil
	}
	return fmt.Errorf("a PNG of an unknown kind (%T)", img)
}

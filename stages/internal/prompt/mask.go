package prompt

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph/infile"
	"github.com/seed49bbd0e6/tachi/stages/internal/mask"
)

// A mask is a PNG of the frame's size. Annotations of several objects, as in DAVIS, hold a number
// for each pixel, 0 for none; the mask of one object holds black and white, perhaps with soft
// edges. Which of both it is follows from the picture:
//
//	palette      the index is the object. A palette of greys from dark to light is a grey picture
//	grey         objects where the values are small: all below 128, or at most 32 beside 255. Otherwise one object, to
//	             which the values from half of the greatest possible on belong (128 of 255, 32768 of 65535)
//	colours      grey is grey; the colours of the DAVIS palette are its objects; shades of one colour are one object by
//	             the brightest channel, from half on; anything else is an error
//	with alpha   where the alpha differs from pixel to pixel it is the mask, from half on
//
// 255 alone is one object, object 1. Beside other numbers it marks pixels that belong to nobody, as
// in VOC.

const maxMask = 256 << 20

// maxNumber is the greatest value of a grey picture that is taken for an object's number beside
// 255.
const maxNumber = 32

// void marks pixels that belong to nobody where objects are numbered.
const void = 255

// maskFile is a mask in its compressed form: decoded where it is needed, so that a thousand of them
// take little memory.
type maskFile struct {
	path string
	data []byte
	ids  []int // the objects in it, ascending
}

// readMask reads and checks a PNG of the frame's size. The note says what was left out of it.
func readMask(path string, width, height int) (m *maskFile, note string, err error) {
	data, err := infile.ReadFile(path, maxMask)
	if err != nil {
		return nil, "", err
	}
	m, note, err = parseMask(path, data, width, height)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	if note != "" {
		note = path + ": " + note
	}
	return m, note, nil
}

func parseMask(path string, data []byte, width, height int) (*maskFile, string, error) {
	if what := infile.Content(data); what != "a PNG picture" {
		if what == "" {
			what = "something else"
		}
		return nil, "", fmt.Errorf("is %s, not a PNG picture", what)
	}
	img, err := mask.DecodePNG(data, func(w, h int) error {
		if w != width || h != height {
			return fmt.Errorf("the mask is %dx%d, the frame %dx%d", w, h, width, height)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	_, ids, note, err := number(img)
	return &maskFile{path, data, ids}, note, err
}

// numbers returns the object of each pixel.
func (m *maskFile) numbers() []uint8 {
	img, err := png.Decode(bytes.NewReader(m.data))
	if err != nil {
		return nil // it was decoded before
	}
	pix, _, _, _ := number(img)
	return pix
}

// number returns the object of each pixel, 0 for none, and the objects that there are.
func number(img image.Image) (pix []uint8, ids []int, note string, err error) {
	switch m := img.(type) {
	case *image.Paletted:
		values := make([]uint16, 0, m.Rect.Dx()*m.Rect.Dy())
		for y := range m.Rect.Dy() {
			for _, v := range m.Pix[y*m.Stride:][:m.Rect.Dx()] {
				values = append(values, uint16(v))
			}
		}
		if levels := greyRamp(m.Palette, values); levels != nil {
			for i, v := range values {
				values[i] = levels[v]
			}
			return grey(values, 255, true)
		}
		return indexed(values)
	case *image.Gray16:
		return grey(each(img, func(x, y int) uint16 { return m.Gray16At(x, y).Y }), math.MaxUint16, true)
	case *image.Gray:
		return grey(each(img, func(x, y int) uint16 { return uint16(m.GrayAt(x, y).Y) }), 255, true)
	}
	return coloured(img)
}

// each collects a value of every pixel.
func each(img image.Image, at func(x, y int) uint16) []uint16 {
	b := img.Bounds()
	values := make([]uint16, 0, b.Dx()*b.Dy())
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			values = append(values, at(x, y))
		}
	}
	return values
}

// greyRamp returns the levels of a palette that a grey picture was saved with: more than two greys
// in use, each lighter than the one before. nil for any other palette.
func greyRamp(p color.Palette, values []uint16) []uint16 {
	var used [256]bool
	for _, v := range values {
		used[v] = true
	}
	levels, count, before := make([]uint16, 256), 0, -1
	for i, c := range p {
		if !used[i] {
			continue
		}
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		if n.R != n.G || n.R != n.B || int(n.R) <= before {
			return nil
		}
		levels[i], before = uint16(n.R), int(n.R)
		count++
	}
	if count <= 2 {
		return nil
	}
	return levels
}

// distinct returns the values that occur, ascending, without 0.
func distinct(values []uint16) (list []uint16) {
	seen := map[uint16]bool{0: true}
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			list = append(list, v)
		}
	}
	slices.Sort(list)
	return list
}

// indexed takes values for numbers of objects.
func indexed(values []uint16) (pix []uint8, ids []int, note string, err error) {
	all := distinct(values)
	switch {
	case len(all) == 0:
		return nil, nil, "", fmt.Errorf("every pixel of the mask is zero")
	case len(all) == 1 && all[0] == void:
		return one(values, void), []int{1}, "", nil
	}
	for _, v := range all {
		if v != void {
			ids = append(ids, int(v))
		}
	}
	left := 0
	pix = make([]uint8, len(values))
	for i, v := range values {
		if v == void {
			left++
		} else {
			pix[i] = uint8(v)
		}
	}
	if left > 0 {
		note = fmt.Sprintf("%d pixels are %d beside objects %s: they belong to none of them", left, void, list(ids))
	}
	return pix, ids, note, nil
}

// one makes object 1 of the values from a threshold on.
func one(values []uint16, from uint16) []uint8 {
	pix := make([]uint8, len(values))
	for i, v := range values {
		if v >= from {
			pix[i] = 1
		}
	}
	return pix
}

// grey takes levels up to top for objects where they are small and may be, else for one mask with
// soft edges.
func grey(values []uint16, top uint16, numbered bool) (pix []uint8, ids []int, note string, err error) {
	all := distinct(values)
	if len(all) == 0 {
		return nil, nil, "", fmt.Errorf("every pixel of the mask is zero")
	}
	most, voids := all[len(all)-1], false
	if most == void && len(all) > 1 {
		most, voids = all[len(all)-2], true
	}
	if numbered && (!voids && most < 128 || voids && most <= maxNumber) {
		return indexed(values)
	}
	half := top/2 + 1
	pix = one(values, half)
	if !slices.Contains(pix, 1) {
		return nil, nil, "", fmt.Errorf("no pixel of the mask reaches half of %d: there are %s", top, list(all))
	}
	left := 0
	for _, v := range values {
		if v != 0 && v < half {
			left++
		}
	}
	if left > 0 {
		note = fmt.Sprintf("%d pixels of the mask lie between 0 and half of %d: from %d on they belong to the object", left, top, half)
	}
	return pix, []int{1}, note, nil
}

// list writes some numbers for a message.
func list[T int | uint16](all []T) string {
	const most = 8
	var b strings.Builder
	for i, v := range all[:min(len(all), most)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, v)
	}
	if len(all) > most {
		fmt.Fprintf(&b, " and %d more", len(all)-most)
	}
	return b.String()
}

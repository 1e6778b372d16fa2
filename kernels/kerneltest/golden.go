package kerneltest

import (
	"bytes"
	"embed"
	"fmt"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// What Pillow and torch themselves make of the same inputs; testdata/make_preprocess.py wrote it.

//go:embed testdata/*.png testdata/*.f32
var testdata embed.FS

// stretch is one picture and what Pillow makes of it.
type stretch struct {
	name         string
	w, h, ow, oh int
	in, out      []uint8 // [h, w, 3], [oh, ow, 3]
}

func stretches() ([]stretch, error) {
	var all []stretch
	files, err := testdata.ReadDir("testdata")
	for _, f := range files {
		s := stretch{name: f.Name()}
		var seed uint64
		if _, err := fmt.Sscanf(s.name, "stretch-%d-%dx%d-to-%dx%d.png", &seed, &s.w, &s.h, &s.ow, &s.oh); err != nil {
			continue
		}
		b, err := testdata.ReadFile("testdata/" + s.name)
		if err != nil {
			return nil, err
		}
		picture, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		for y := range s.oh {
			for x := range s.ow {
				c := color.NRGBAModel.Convert(picture.At(x, y)).(color.NRGBA)
				s.out = append(s.out, c.R, c.G, c.B)
			}
		}
		s.in = madeUp(seed, s.w, s.h)
		all = append(all, s)
	}
	return all, err
}

// madeUp is the script's picture of a seed.
func madeUp(seed uint64, w, h int) []uint8 {
	r := rng{seed}
	p := make([]uint8, 0, h*w*3)
	for i := range h * w * 3 {
		z, y, x := r.next(), i/(3*w), i/3%w
		if seed%3 == 0 {
			p = append(p, uint8(z&1)*255)
		} else {
			p = append(p, uint8((x*5+y*3)%192)+uint8(z&63))
		}
	}
	return p
}

// interpolation is two planes and what torch makes of them.
type interpolation struct {
	name         string
	h, w, oh, ow int
	antialias    bool
	in           []float32 // [2, h, w]
	out          []byte    // f32 [2, oh, ow]
}

func interpolations() ([]interpolation, error) {
	var all []interpolation
	files, err := testdata.ReadDir("testdata")
	for _, f := range files {
		p := interpolation{name: f.Name(), antialias: strings.Contains(f.Name(), "antialias")}
		var seed uint64
		if _, err := fmt.Sscanf(p.name, "resize-%d-%dx%d-to-%dx%d", &seed, &p.h, &p.w, &p.oh, &p.ow); err != nil {
			continue
		}
		r := rng{seed}
		p.in = r.floats(2*p.h*p.w, 8)
		if p.out, err = testdata.ReadFile("testdata/" + p.name); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, err
}

// preprocessLikePillow wants the bits of Pillow's picture, normalised as torch does it.
func preprocessLikePillow(t *testing.T, dev kernels.Device) {
	all, err := stretches()
	if err != nil || len(all) == 0 {
		t.Fatal(len(all), "pictures", err)
	}
	b, err := testdata.ReadFile("testdata/normalised.f32")
	if err != nil {
		t.Fatal(err)
	}
	table := decode[float32](kernels.F32, b)
	for _, s := range all {
		if s.ow != s.oh {
			continue
		}
		m := newMaker(dev, s.name)
		op := kernels.Preprocess{X: m.Bytes(kernels.U8, s.in, s.h, s.w, 3), Mean: imageNetMean, Std: imageNetStd, Y: m.Out(s.oh, s.ow, 3)}
		got, err := doAndRead(dev, m, op, op.Y)
		m.close()
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		for i := range got {
			if want := table[int(s.out[i])*3+i%3]; got[i] != want {
				t.Errorf("%s: element %d is %v, want %v", s.name, i, got[i], want)
				break
			}
		}
	}
}

// resizeLikeTorch allows the rounding of a few operations.
func resizeLikeTorch(t *testing.T, dev kernels.Device) {
	all, err := interpolations()
	if err != nil || len(all) == 0 {
		t.Fatal(len(all), "planes", err)
	}
	for _, p := range all {
		m := newMaker(dev, p.name)
		op := kernels.Resize{X: m.Data(p.in, 2, p.h, p.w), Y: m.Out(2, p.oh, p.ow), Antialias: p.antialias}
		got, err := doAndRead(dev, m, op, op.Y)
		m.close()
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
			continue
		}
		for i, want := range decode[float32](kernels.F32, p.out) {
			if d := math.Abs(float64(got[i] - want)); !(d <= 8*6e-7) { // values up to 8
				t.Errorf("%s: element %d is %v, want %v", p.name, i, got[i], want)
				break
			}
		}
	}
}

func doAndRead(dev kernels.Device, m *Maker, op kernels.Op, y *kernels.Tensor) ([]float32, error) {
	if m.err != nil {
		return nil, m.err
	}
	if err := dev.Do(op); err != nil {
		return nil, err
	}
	return kernels.Read[float32](dev, y)
}

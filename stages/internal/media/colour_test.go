//go:build !nomedia

package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asticode/go-astiav"
	"github.com/rs/zerolog"
)

// encoded decodes an uncompressed clip and encodes it again, with the tags and whatever else the
// encoder's options say.
func encoded(t *testing.T, clip []byte, name, encoder string, options map[string]string) string {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r := open(t, temp(t, "clip.y4m", clip))
	to := filepath.Join(t.TempDir(), name)
	fc, err := astiav.AllocOutputFormatContext(nil, "", to)
	check(err)
	defer fc.Free()
	codec := astiav.FindEncoderByName(encoder)
	if codec == nil {
		t.Skip("this FFmpeg has no " + encoder)
	}
	enc := astiav.AllocCodecContext(codec)
	defer enc.Free()
	enc.SetWidth(r.width)
	enc.SetHeight(r.height)
	enc.SetPixelFormat(r.frame.PixelFormat())
	enc.SetTimeBase(astiav.NewRational(1, 25))
	enc.SetFramerate(astiav.NewRational(25, 1))
	d := astiav.NewDictionary()
	defer d.Free()
	for k, v := range options {
		d.Set(k, v, 0)
	}
	check(enc.Open(codec, d))
	st := fc.NewStream(nil)
	check(enc.ToCodecParameters(st.CodecParameters()))
	st.SetTimeBase(enc.TimeBase())
	st.SetSampleAspectRatio(enc.SampleAspectRatio())
	check(openOutput(fc, to))
	check(fc.WriteHeader(nil))
	packet := astiav.AllocPacket()
	defer packet.Free()
	for frame, pts := r.frame, int64(0); ; pts++ {
		if frame != nil {
			frame.SetPts(pts)
			frame.SetPictureType(astiav.PictureTypeNone)
		}
		check(enc.SendFrame(frame))
		for enc.ReceivePacket(packet) == nil {
			packet.RescaleTs(enc.TimeBase(), st.TimeBase())
			check(fc.WriteInterleavedFrame(packet))
		}
		if frame == nil {
			break
		}
		if _, err := r.decode(); err != nil {
			frame = nil
		}
	}
	check(fc.WriteTrailer())
	check(closeOutput(fc))
	return to
}

// flat444 makes a clip of two flat frames of 4:4:4 in 10 bits.
func flat444(samples [3]float64) []byte {
	const w, h = 32, 16
	var b bytes.Buffer
	fmt.Fprintf(&b, "YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C444p10\n", w, h)
	for range 2 {
		b.WriteString("FRAME\n")
		for _, s := range samples {
			sample := binary.LittleEndian.AppendUint16(nil, uint16(math.Round(s)))
			b.Write(bytes.Repeat(sample, w*h))
		}
	}
	return b.Bytes()
}

// samples are 10 bits of a luma of 0 to 1 and chroma of -0.5 to 0.5.
func samples(full bool, y, cb, cr float64) [3]float64 {
	if full {
		return [3]float64{1023 * y, 512 + 1023*cb, 512 + 1023*cr}
	}
	return [3]float64{64 + 876*y, 512 + 896*cb, 512 + 896*cr}
}

// log returns a logger and what it wrote.
func log() (zerolog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return zerolog.New(&b), &b
}

// readOne returns the colour of a flat clip and what was said of it.
func readOne(t *testing.T, path string) (colour [3]uint8, p Picture, said string) {
	t.Helper()
	l, b := log()
	r, err := Open(path, ReadOptions{Threads: 1, Log: l})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	frames, err := readAll(t, r)
	if err != io.EOF || len(frames) != 2 {
		t.Fatal(len(frames), err)
	}
	return pixel(r, frames[1], .4, .6), r.Stream().Picture.(Picture), b.String()
}

// shades of SDR that lie below the knee of the tone curve.
var shades = [][3]float64{{220, 60, 40}, {40, 90, 60}, {0, 0, 0}, {128, 128, 128}, {210, 210, 210}, {20, 30, 200}}

// mastered is how an SDR colour is mastered for HDR: light by the gamma of a display, 203 cd/m2 as
// white, and the primaries of BT.2020 (the matrix is that of BT.2087).
func mastered(rgb [3]float64) (light [3]float64) {
	var l [3]float64
	for i := range l {
		l[i] = 203 * math.Pow(rgb[i]/255, 2.4)
	}
	for i, m := range [3][3]float64{{.6274, .3293, .0433}, {.0691, .9195, .0114}, {.0164, .0880, .8956}} {
		light[i] = m[0]*l[0] + m[1]*l[1] + m[2]*l[2]
	}
	return light
}

// pqCode is the inverse EOTF of SMPTE ST 2084, of cd/m2.
func pqCode(nits float64) float64 {
	y := math.Pow(max(0, nits)/10000, 0.1593017578125)
	return math.Pow((0.8359375+18.8515625*y)/(1+18.6875*y), 78.84375)
}

// hlgCodes are the inverse OOTF for a display of 1000 cd/m2, and the OETF of ARIB STD-B67.
func hlgCodes(light [3]float64) (code [3]float64) {
	y := max(1e-9, (.2627*light[0]+.6780*light[1]+.0593*light[2])/1000)
	for i, l := range light {
		if e := l / 1000 * math.Pow(y, 1/1.2-1); e <= 1./12 {
			code[i] = math.Sqrt(3 * max(0, e))
		} else {
			code[i] = .17883277*math.Log(12*e-.28466892) + .55991073
		}
	}
	return code
}

func luma(kr, kb float64, c [3]float64) (y, cb, cr float64) {
	y = kr*c[0] + (1-kr-kb)*c[1] + kb*c[2]
	return y, (c[2] - y) / (2 * (1 - kb)), (c[0] - y) / (2 * (1 - kr))
}

func TestColoursThatSwscaleDoesNotKnowAreRight(t *testing.T) {
	type clip struct {
		tags map[string]string
		full bool
		make func(rgb [3]float64) (a, b, c float64)
		said string
	}
	unit := func(rgb [3]float64) [3]float64 { return [3]float64{rgb[0] / 255, rgb[1] / 255, rgb[2] / 255} }
	ycgco := func(rgb [3]float64) (float64, float64, float64) {
		c := unit(rgb)
		return c[0]/4 + c[1]/2 + c[2]/4, -c[0]/4 + c[1]/2 - c[2]/4, c[0]/2 - c[2]/2
	}
	pq2020 := func(rgb [3]float64) (float64, float64, float64) {
		l := mastered(rgb)
		return luma(.2627, .0593, [3]float64{pqCode(l[0]), pqCode(l[1]), pqCode(l[2])})
	}
	ictcp := func(rgb [3]float64) (float64, float64, float64) {
		l := mastered(rgb)
		L := pqCode((1688*l[0] + 2146*l[1] + 262*l[2]) / 4096)
		M := pqCode((683*l[0] + 2951*l[1] + 462*l[2]) / 4096)
		S := pqCode((99*l[0] + 309*l[1] + 3688*l[2]) / 4096)
		return L/2 + M/2, (6610*L - 13613*M + 7003*S) / 4096, (17933*L - 17390*M - 543*S) / 4096
	}
	for name, c := range map[string]clip{
		"YCgCo":         {map[string]string{"colorspace": "ycgco"}, false, ycgco, ""},
		"YCgCo, full":   {map[string]string{"colorspace": "ycgco"}, true, ycgco, ""},
		"PQ":            {map[string]string{"colorspace": "bt2020nc", "color_trc": "smpte2084", "color_primaries": "bt2020"}, false, pq2020, "HDR (PQ)"},
		"PQ, full":      {map[string]string{"colorspace": "bt2020nc", "color_trc": "smpte2084", "color_primaries": "bt2020"}, true, pq2020, "HDR (PQ)"},
		"PQ, else bare": {map[string]string{"color_trc": "smpte2084"}, false, pq2020, "HDR (PQ)"},
		"PQ, ICtCp":     {map[string]string{"colorspace": "ictcp", "color_trc": "smpte2084", "color_primaries": "bt2020"}, false, ictcp, "HDR (PQ)"},
		"HLG": {map[string]string{"colorspace": "bt2020nc", "color_trc": "arib-std-b67", "color_primaries": "bt2020"}, false, func(rgb [3]float64) (float64, float64, float64) {
			return luma(.2627, .0593, hlgCodes(mastered(rgb)))
		}, "HDR (HLG)"},
		"PQ in BT.709": {map[string]string{"colorspace": "bt709", "color_trc": "smpte2084", "color_primaries": "bt709"}, false, func(rgb [3]float64) (float64, float64, float64) {
			var c [3]float64
			for i := range c {
				c[i] = pqCode(203 * math.Pow(rgb[i]/255, 2.4))
			}
			return luma(.2126, .0722, c)
		}, "HDR (PQ)"},
		// The luminance of the P3 primaries.
		"chroma-derived": {map[string]string{"colorspace": "chroma-derived-nc", "color_primaries": "smpte432"}, false, func(rgb [3]float64) (float64, float64, float64) {
			return luma(.22897, .07929, unit(rgb))
		}, ""},
		"BT.2020": {map[string]string{"colorspace": "bt2020nc"}, false, func(rgb [3]float64) (float64, float64, float64) {
			return luma(.2627, .0593, unit(rgb))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, want := range shades {
				y, cb, cr := c.make(want)
				c.tags["color_range"] = "tv"
				if c.full {
					c.tags["color_range"] = "pc"
				}
				got, p, said := readOne(t, encoded(t, flat444(samples(c.full, y, cb, cr)), "flat.mkv", "ffv1", c.tags))
				if !near(got, [3]uint8{uint8(want[0]), uint8(want[1]), uint8(want[2])}, 3) {
					t.Errorf("%v, want %v", got, want)
				}
				if c.said == "" && said != "" || !strings.Contains(said, c.said) {
					t.Errorf("said %q, want %q", said, c.said)
				}
				if c.said != "" && (p.Primaries != 1 || p.Transfer != 1) {
					t.Errorf("toned pixels are tagged %+v", p)
				}
			}
		})
	}
}

// What is brighter than SDR white stays distinguishable, in order, and keeps its hue.
func TestBrightHDRIsCompressedNotCut(t *testing.T) {
	last := -1
	for _, nits := range []float64{150, 203, 300, 500, 700, 1000} {
		y := pqCode(nits)
		got, _, _ := readOne(t, encoded(t, flat444(samples(false, y, 0, 0)), "white.mkv", "ffv1", map[string]string{"color_trc": "smpte2084"}))
		if int(got[0]) <= last || !near(got, [3]uint8{got[0], got[0], got[0]}, 1) {
			t.Errorf("%g cd/m2 is %v after %d", nits, got, last)
		}
		last = int(got[0])
		if nits == 203 && math.Abs(float64(last)-244) > 1 || nits == 1000 && last != 255 {
			t.Errorf("%g cd/m2 is %v", nits, got)
		}
	}
}

func TestMatrixThatNobodyKnowsIsSaidOnce(t *testing.T) {
	for tag, want := range map[string]string{
		"bt2020c":          "its matrix, bt2020c, is not known here, and BT.2020 with non-constant luminance is taken instead",
		"smpte2085":        "its matrix, smpte2085, is not known here, and BT.601",
		"ictcp":            "its matrix, ictcp, is not known here, and BT.601", // it is defined for HDR only
		"chroma-derived-c": "its matrix, chroma-derived-c, is not known here, and BT.601",
	} {
		_, _, said := readOne(t, encoded(t, flat444([3]float64{400, 500, 600}), "flat.mkv", "ffv1", map[string]string{"colorspace": tag}))
		if strings.Count(said, want) != 1 {
			t.Errorf("%s: said %q, want %q once", tag, said, want)
		}
	}
	for _, tag := range []string{"bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc", "ycgco"} {
		if _, _, said := readOne(t, encoded(t, flat444([3]float64{400, 500, 600}), "flat.mkv", "ffv1", map[string]string{"colorspace": tag})); said != "" {
			t.Errorf("%s: said %q", tag, said)
		}
	}
}

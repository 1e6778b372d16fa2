//go:build !nomedia

package media

/*
#cgo LDFLAGS: -lm
#include "colour.h"
#include "shim.h"
*/
import "C"

import "math"

// swscale converts most pictures, with the matrix and range that they are tagged with. Two kinds it
// gets wrong, and they are converted here instead. It has no matrix for YCgCo, for chroma-derived
// luminance and for ICtCp, and takes BT.601 in their place. And it ignores the transfer function,
// so that HDR (PQ or HLG) comes out as if its code values were those of SDR: dull and pale.
//
// HDR is toned to SDR as ITU-R BT.2408 relates the two: 203 cd/m2 are SDR white.
//
//  1. R'G'B' (or, of ICtCp, L'M'S') by the inverse of the picture's matrix.
//  2. Light by the EOTF of PQ, or by the inverse OETF of HLG and the OOTF of a display of 1000 cd/m2 (BT.2100).
//  3. The primaries become those of BT.709.
//  4. Up to 0.8 of SDR white nothing changes. What is brighter is compressed, up to 1000 cd/m2, which become 1; one
//     factor for R, G and B keeps the hue. SDR white itself comes to 0.9, and lies at level 244.
//  5. Levels by the inverse of a display's gamma of 2.4 (BT.1886).

// FFmpeg's numbers (ISO/IEC 23091-2), those of them that matter here.
const (
	primariesBT709  = 1
	primariesBT2020 = 9

	transferBT709 = 1
	transferPQ    = 16
	transferHLG   = 18

	spaceRGB       = 0
	spaceBT709     = 1
	spaceFCC       = 4
	spaceBT470BG   = 5
	spaceSMPTE170M = 6
	spaceSMPTE240M = 7
	spaceYCgCo     = 8
	spaceBT2020    = 9
	spaceBT2020CL  = 10
	spaceChromaNCL = 12
	spaceICtCp     = 14
)

const (
	sdrWhite = 203.  // cd/m2
	peak     = 1000. // cd/m2
	knee     = 0.8   // of SDR white
)

// look is what a picture's samples mean.
type look struct {
	space, primaries, transfer int
	depth                      int  // bits of a sample
	full                       bool // samples use all levels
	rgb                        bool // samples are R, G and B
}

func (l look) hdr() bool { return l.transfer == transferPQ || l.transfer == transferHLG }

// ours reports whether swscale would get the picture wrong, and colours gets it right.
func (l look) ours() bool {
	if l.hdr() {
		return true
	}
	_, derived := chromaticities[l.primaries]
	return !l.rgb && (l.space == spaceYCgCo || l.space == spaceChromaNCL && derived)
}

// unknown reports whether neither knows the matrix, and returns what is taken instead.
func (l look) unknown() (instead string, is bool) {
	switch {
	case l.rgb:
		return "", false
	case l.ours() && l.space == spaceICtCp, l.ours() && l.space == spaceChromaNCL, l.space == spaceYCgCo:
		return "", false
	case l.space == spaceRGB:
		return "BT.709", true
	case l.space == spaceBT2020CL:
		return "BT.2020 with non-constant luminance", true
	case l.space > spaceBT2020CL && l.hdr():
		return "BT.2020", true
	case l.space > spaceBT2020CL:
		return "BT.601", true
	}
	return "", false
}

// matrix of rows, for columns of three values.
type matrix [3][3]float64

var identity = matrix{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}

func (m matrix) times(n matrix) (out matrix) {
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				out[i][j] += m[i][k] * n[k][j]
			}
		}
	}
	return out
}

func (m matrix) inverse() (out matrix) {
	minor := func(i, j int) float64 {
		a, b, c, d := (i+1)%3, (i+2)%3, (j+1)%3, (j+2)%3
		return m[a][c]*m[b][d] - m[a][d]*m[b][c]
	}
	det := m[0][0]*minor(0, 0) + m[0][1]*minor(0, 1) + m[0][2]*minor(0, 2)
	for i := range 3 {
		for j := range 3 {
			out[i][j] = minor(j, i) / det
		}
	}
	return out
}

// chromaticities are x, y of red, green and blue, by the number of the primaries. White is D65 in
// all of them.
var chromaticities = map[int][3][2]float64{
	primariesBT709:  {{.640, .330}, {.300, .600}, {.150, .060}},
	5:               {{.640, .330}, {.290, .600}, {.150, .060}}, // BT.470 BG
	6:               {{.630, .340}, {.310, .595}, {.155, .070}}, // SMPTE 170M
	7:               {{.630, .340}, {.310, .595}, {.155, .070}}, // SMPTE 240M
	primariesBT2020: {{.708, .292}, {.170, .797}, {.131, .046}},
	12:              {{.680, .320}, {.265, .690}, {.150, .060}}, // P3
}

// toXYZ returns the matrix from linear RGB to CIE XYZ; its second row gives the luminance.
func toXYZ(primaries [3][2]float64) matrix {
	const whiteX, whiteY = .3127, .3290
	var m matrix // of columns X, Y, Z for Y = 1
	for j, p := range primaries {
		m[0][j], m[1][j], m[2][j] = p[0]/p[1], 1, (1-p[0]-p[1])/p[1]
	}
	white := [3]float64{whiteX / whiteY, 1, (1 - whiteX - whiteY) / whiteY}
	inverse := m.inverse()
	for j := range 3 {
		var share float64 // of this primary in white
		for k := range 3 {
			share += inverse[j][k] * white[k]
		}
		for i := range 3 {
			m[i][j] *= share
		}
	}
	return m
}

// ycc returns the matrix from R'G'B' to Y'CbCr for the shares of red and blue in the luma; chroma
// is -0.5 to 0.5.
func ycc(kr, kb float64) matrix {
	kg := 1 - kr - kb
	b, r := 2*(1-kb), 2*(1-kr)
	return matrix{{kr, kg, kb}, {-kr / b, -kg / b, (1 - kb) / b}, {(1 - kr) / r, -kg / r, -kb / r}}
}

// lms is from linear R, G, B of BT.2020 to L, M, S (BT.2100).
var lms = matrix{{1688. / 4096, 2146. / 4096, 262. / 4096}, {683. / 4096, 2951. / 4096, 462. / 4096}, {99. / 4096, 309. / 4096, 3688. / 4096}}

// encoding returns the matrix by which a picture's planes were made of R'G'B', or of L'M'S'.
func (l look) encoding() matrix {
	switch space := l.space; {
	case l.rgb: // G, B, R
		return matrix{{0, 1, 0}, {0, 0, 1}, {1, 0, 0}}
	case space == spaceYCgCo:
		return matrix{{.25, .5, .25}, {-.25, .5, -.25}, {.5, 0, -.5}}
	case space == spaceICtCp && l.transfer == transferHLG:
		return matrix{{.5, .5, 0}, {3625. / 4096, -7465. / 4096, 3840. / 4096}, {9500. / 4096, -9212. / 4096, -288. / 4096}}
	case space == spaceICtCp:
		return matrix{{.5, .5, 0}, {6610. / 4096, -13613. / 4096, 7003. / 4096}, {17933. / 4096, -17390. / 4096, -543. / 4096}}
	case space == spaceChromaNCL:
		y := toXYZ(l.chromaticities())[1]
		return ycc(y[0], y[2])
	case space == spaceBT709, space == spaceRGB:
		return ycc(.2126, .0722)
	case space == spaceFCC:
		return ycc(.30, .11)
	case space == spaceBT470BG, space == spaceSMPTE170M:
		return ycc(.299, .114)
	case space == spaceSMPTE240M:
		return ycc(.212, .087)
	}
	return ycc(.2627, .0593)
}

// chromaticities returns those of the picture; HDR without a tag has those of BT.2020.
func (l look) chromaticities() [3][2]float64 {
	if c, ok := chromaticities[l.primaries]; ok {
		return c
	}
	return chromaticities[primariesBT2020]
}

// colours works out what becomes of the samples of a picture that was widened to 16 bits.
func (l look) colours() *C.tachi_colours {
	c := &C.tachi_colours{}
	fill := func(to *[3]C.float, from [3]float64) {
		for i := range to {
			to[i] = C.float(from[i])
		}
	}
	// Widening moves a sample to the upper bits.
	depth := min(l.depth, 16)
	zero, span, middle, chroma := 0., float64(int(1)<<depth-1)*float64(int(1)<<(16-depth)), 32768., 0.
	chroma = span
	if !l.full && !l.rgb {
		zero, span, chroma = 16*256, 219*256, 224*256
	}
	decode := l.encoding().inverse()
	for i := range 3 {
		offset := 0.
		for j := range 3 {
			scale, origin := chroma, middle
			if j == 0 || l.rgb {
				scale, origin = span, zero
			}
			c.code[i][j] = C.float(decode[i][j] / scale)
			offset -= decode[i][j] * origin / scale
		}
		c.code[i][3] = C.float(offset)
	}
	if !l.hdr() {
		return c
	}
	c.hdr, c.knee, c.peak = 1, knee, peak/sdrWhite
	xyz := toXYZ(l.chromaticities())
	linear := identity // to the picture's primaries
	if l.space == spaceICtCp && !l.rgb {
		linear, xyz = lms.inverse(), toXYZ(chromaticities[primariesBT2020])
	}
	luminance := xyz.times(linear)[1]
	fill(&c.luminance, luminance)
	for i, row := range toXYZ(chromaticities[primariesBT709]).inverse().times(xyz).times(linear) {
		fill(&c.bt709[i], row)
	}
	light := pq
	if l.transfer == transferHLG {
		c.hlg, light = 1, hlg
	}
	for i := range c.light {
		level := float64(i) / C.TACHI_LEVELS
		c.light[i] = C.float(light(level))
		c.shown[i] = C.uint8_t(math.Round(255 * math.Pow(level, 2/2.4)))
	}
	return c
}

// pq returns the light of a code value, in units of SDR white: the EOTF of BT.2100, table 4.
func pq(v float64) float64 {
	const m1, m2, c1, c2, c3 = 2610. / 16384, 2523. / 4096 * 128, 3424. / 4096, 2413. / 4096 * 32, 2392. / 4096 * 32
	p := math.Pow(v, 1/m2)
	return 10000 / sdrWhite * math.Pow(max(0, p-c1)/(c2-c3*p), 1/m1)
}

// hlg returns the light of the scene, 0 to 1: the inverse of the OETF of BT.2100, table 5.
func hlg(v float64) float64 {
	const a, b, c = 0.17883277, 0.28466892, 0.55991073
	if v <= 0.5 {
		return v * v / 3
	}
	return (math.Exp((v-c)/a) + b) / 12
}

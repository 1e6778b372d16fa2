//go:build !nomedia

package media

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Some videos are read in a way that a user may not expect. Each of these notes is given once per
// video.

// noteColours says what is done to colours that swscale would get wrong.
func (r *Reader) noteColours(l look) {
	if l.hdr() {
		name := map[int]string{transferPQ: "PQ", transferHLG: "HLG"}[l.transfer]
		r.log.Info().Msgf("%s: HDR (%s) is toned to SDR, with white at %g cd/m2", r.name, name, sdrWhite)
	}
	if instead, unknown := l.unknown(); unknown {
		r.log.Warn().Msgf("%s: the colours are off: its matrix, %s, is not known here, and %s is taken instead", r.name, spaceName(l.space), instead)
	}
}

func spaceName(space int) string {
	if name := C.tachi_space_name(C.int(space)); name != nil {
		return C.GoString(name)
	}
	return fmt.Sprint("number ", space)
}

// noteAspect says how large a player shows pictures whose pixels are not square.
func (r *Reader) noteAspect(aspect token.Ratio) {
	w, h := r.stream.Width, r.stream.Height
	r.log.Warn().Msgf("%s: its pixels are not square (%d:%d): a player shows it as %.0fx%d, but boxes, points and masks are in stored pixels, %dx%d",
		r.name, aspect.Num, aspect.Den, math.Round(float64(w)*aspect.Float()), h, w, h)
}

// noteInterlaced says that frame n consists of two fields.
func (r *Reader) noteInterlaced(n int) {
	if r.fields {
		return
	}
	r.fields = true
	r.log.Warn().Msgf("%s: frame %d is interlaced: its two fields stay woven together, so that what moves is combed, and a copy is tagged progressive; "+
		"a deinterlaced video is tracked better (ffmpeg -i IN -vf bwdif OUT)", r.name, n)
}

package kerneltest

import (
	"fmt"
	"math"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// References of the ops on maps and planes.

// evaluateMaps evaluates the ops on maps, planes and pictures; nil for other ops.
func evaluateMaps[F real](op kernels.Op, at content[F]) (y []F, exactly bool) {
	switch o := op.(type) {
	case kernels.MaxPool:
		return maxPool(o, at), exact
	case kernels.UpsampleAdd:
		return upsampleAdd(o, at), within
	case kernels.Resize:
		return resize(o, at), within
	case kernels.Preprocess:
		return preprocess(o, at), exact
	case kernels.MaskBoxes:
		return maskBoxes(o, at), exact
	}
	return nil, within
}

func maxPool[F real](o kernels.MaxPool, at content[F]) []F {
	x := at(o.X)
	h, w, c := o.X.Dim(1), o.X.Dim(2), o.X.Dim(3)
	y := make([]F, o.Y.Len())
	for i := range y {
		b, oy, ox, ch := i/(h/2*(w/2)*c), i/(w/2*c)%(h/2), i/c%(w/2), i%c
		px := func(dy, dx int) F { return x[((b*h+2*oy+dy)*w+2*ox+dx)*c+ch] }
		y[i] = max(px(0, 0), px(0, 1), px(1, 0), px(1, 1))
	}
	return y
}

func upsampleAdd[F real](o kernels.UpsampleAdd, at content[F]) []F {
	y, top := at(o.X), at(o.Top)
	h, w, c := o.X.Dim(1), o.X.Dim(2), o.X.Dim(3)
	for i := range y {
		b, oy, ox, ch := i/(h*w*c), i/(w*c)%h, i/c%w, i%c
		y[i] += top[((b*(h/2)+oy/2)*(w/2)+ox/2)*c+ch]
	}
	return y
}

// tap is one source element of an interpolated one, and its weight.
type tap[F real] struct {
	at     int
	weight F
}

// bilinear returns the two taps of output i: centres are aligned, the coordinate is float32 and not
// below 0.
func bilinear[F real](i, in, out int) []tap[F] {
	scale := float32(in) / float32(out)
	r := max(float32(scale*(float32(i)+0.5))-0.5, 0)
	i0 := min(int(r), in-1)
	t := F(r - float32(i0))
	return []tap[F]{{i0, 1 - t}, {min(i0+1, in-1), t}}
}

// triangle returns the taps of output i under a tent that is two source pixels wide, or wider by
// the scale when shrinking, cut at the edges and normalised to 1.
func triangle[F real](i, in, out int) []tap[F] {
	scale := float32(in) / float32(out)
	support := max(scale, 1)
	centre := float32(scale * (float32(i) + 0.5))
	lo := max(int(centre-support+0.5), 0)
	hi := min(int(centre+support+0.5), in)
	var taps []tap[F]
	var sum F
	for j := lo; j < hi; j++ {
		w := max(1-F(math.Abs(float64((F(j)-F(centre)+0.5)/F(support)))), 0)
		taps = append(taps, tap[F]{j, w})
		sum += w
	}
	for j := range taps {
		taps[j].weight /= sum
	}
	return taps
}

func resize[F real](o kernels.Resize, at content[F]) []F {
	x := at(o.X)
	n, h, w := o.X.Dim(0), o.X.Dim(1), o.X.Dim(2)
	var y []F
	for p := range n {
		y = append(y, resizePlane(x[p*h*w:(p+1)*h*w], h, w, o.Y.Dim(1), o.Y.Dim(2), o.Antialias)...)
	}
	return y
}

// resizePlane interpolates along x, then along y.
func resizePlane[F real](x []F, h, w, oh, ow int, antialias bool) []F {
	taps := bilinear[F]
	if antialias {
		taps = triangle[F]
	}
	wide := make([]F, h*ow)
	for ox := range ow {
		for _, t := range taps(ox, w, ow) {
			for r := range h {
				wide[r*ow+ox] += t.weight * x[r*w+t.at]
			}
		}
	}
	y := make([]F, oh*ow)
	for oy := range oh {
		for _, t := range taps(oy, h, oh) {
			for c := range ow {
				y[oy*ow+c] += t.weight * wide[t.at*ow+c]
			}
		}
	}
	return y
}

func maskBoxes[F real](o kernels.MaskBoxes, at content[F]) []F {
	x := at(o.X)
	n, h, w := o.X.Dim(0), o.X.Dim(1), o.X.Dim(2)
	var y []F
	for p := range n {
		big := resizePlane(x[p*h*w:(p+1)*h*w], h, w, o.H, o.W, false)
		for _, edge := range boxOf(big, o.W) {
			y = append(y, F(edge))
		}
	}
	return y
}

// boxOf is the box of the elements > 0 of a plane w wide: x and y of the first and of the last, or
// zeros.
func boxOf[F real](plane []F, w int) [4]int32 {
	box := [4]int32{math.MaxInt32, math.MaxInt32, -1, -1}
	for i, v := range plane {
		if v > 0 {
			x, y := int32(i%w), int32(i/w)
			box = [4]int32{min(box[0], x), min(box[1], y), max(box[2], x), max(box[3], y)}
		}
	}
	if box[2] < 0 {
		return [4]int32{}
	}
	return box
}

func mapCases() []Case {
	pool := func(b, h, w, c int) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			return kernels.MaxPool{X: mk.F32(b, h, w, c), Y: mk.Out(b, h/2, w/2, c)}
		}
	}
	up := func(b, h, w, c int, inPlace bool) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			op := kernels.UpsampleAdd{X: mk.F32(b, h, w, c), Top: mk.F32(b, h/2, w/2, c)}
			if op.Y = op.X; !inPlace {
				op.Y = mk.Out(b, h, w, c)
			}
			return op
		}
	}
	size := func(n, h, w, oh, ow int, antialias bool) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			return kernels.Resize{X: mk.Scaled(10, n, h, w), Y: mk.Out(n, oh, ow), Antialias: antialias}
		}
	}
	boxes := func(n, h, w, oh, ow int, plane func(p, y, x int) float32) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			v := make([]float32, n*h*w)
			for i := range v {
				v[i] = plane(i/(h*w), i/w%h, i%w)
			}
			mustBeClear(v, n, h, w, oh, ow)
			return kernels.MaskBoxes{X: mk.Data(v, n, h, w), H: oh, W: ow, Y: mk.OutOf(kernels.I32, n, 4)}
		}
	}
	disc := func(_, y, x int) float32 { return 40 - float32((x-20)*(x-20)+(y-9)*(y-9)) + 0.3 }
	constant := func(v float32) func(int, int, int) float32 {
		return func(int, int, int) float32 { return v }
	}
	one := func(py, px int) func(int, int, int) float32 {
		return func(_, y, x int) float32 {
			if y == py && x == px {
				return 7.7
			}
			return -10.3
		}
	}
	cases := []Case{
		{"max-pool/channels of 96", pool(2, 8, 6, 96)},
		{"max-pool/a large map", pool(2, 60, 66, 64)},
		{"max-pool/odd channels", pool(1, 10, 14, 13)},
		{"max-pool/2x2 map, one channel", pool(1, 2, 2, 1)},
		{"upsample-add/odd channels", up(2, 6, 10, 21, false)},
		{"upsample-add/a large map", up(2, 40, 44, 64, false)},
		{"upsample-add/in place", up(1, 16, 12, 256, true)},
		{"upsample-add/2x2 map, one channel", up(1, 2, 2, 1, false)},
		{"resize/four times", size(3, 16, 16, 64, 64, false)},
		{"resize/to a video's size", size(1, 32, 32, 54, 96, false)},
		{"resize/smaller without antialias", size(2, 40, 30, 17, 11, false)},
		{"resize/same size", size(1, 9, 13, 9, 13, false)},
		{"resize/from one pixel", size(1, 1, 1, 5, 7, false)},
		{"resize/to one pixel", size(1, 5, 7, 1, 1, false)},
		{"resize/one row", size(1, 1, 21, 1, 64, false)},
		{"resize/antialiased quarter", size(2, 64, 64, 16, 16, true)},
		{"resize/antialiased, odd sizes", size(1, 57, 83, 13, 20, true)},
		{"resize/antialiased, larger", size(1, 7, 9, 20, 31, true)},
		{"resize/antialiased, one axis only", size(1, 33, 12, 8, 12, true)},
		{"resize/antialiased to one pixel", size(1, 30, 17, 1, 1, true)},
		{"resize/antialiased from one pixel", size(1, 1, 1, 4, 3, true)},
		{"mask-boxes/a disc", boxes(1, 32, 32, 128, 128, disc)},
		{"mask-boxes/to a video's size", boxes(1, 32, 40, 216, 384, disc)},
		{"mask-boxes/smaller", boxes(1, 32, 40, 17, 19, disc)},
		{"mask-boxes/several planes, some empty", boxes(3, 24, 24, 96, 96, func(p, y, x int) float32 {
			if p == 1 {
				return -1024
			}
			return one(3+p, 20-p)(p, y, x)
		})},
		{"mask-boxes/everywhere", boxes(1, 8, 8, 32, 32, constant(0.5))},
		{"mask-boxes/zero is not inside", boxes(1, 8, 8, 32, 32, constant(0))},
		{"mask-boxes/the first pixel", boxes(1, 8, 8, 32, 32, one(0, 0))},
		{"mask-boxes/the last pixel", boxes(1, 8, 8, 32, 32, one(7, 7))},
		{"mask-boxes/two far specks", boxes(1, 20, 30, 80, 120, func(_, y, x int) float32 {
			return max(one(2, 27)(0, y, x), one(17, 3)(0, y, x))
		})},
		{"mask-boxes/one pixel to one pixel", boxes(1, 1, 1, 1, 1, constant(1))},
	}
	return cases
}

// mustBeClear refuses a case whose box depends on rounding: an enlarged logit near 0 but not 0.
func mustBeClear(v []float32, n, h, w, oh, ow int) {
	if !isClear(v, n, h, w, oh, ow) {
		panic("kerneltest: an enlarged logit is too near to 0 for an exact box")
	}
}

// isClear reports whether every enlarged logit is 0 or far from it.
func isClear(v []float32, n, h, w, oh, ow int) bool {
	wide := make([]float64, len(v))
	for i := range v {
		wide[i] = float64(v[i])
	}
	for p := range n {
		for _, z := range resizePlane(wide[p*h*w:(p+1)*h*w], h, w, oh, ow, false) {
			if z != 0 && math.Abs(z) < 1e-3 {
				return false
			}
		}
	}
	return true
}

// mapRandoms draw random cases of the ops on maps, planes and pictures; see random.go.
var mapRandoms = map[string]func(*draw) (what string, cost float64, b build){
	"max-pool": func(d *draw) (string, float64, build) {
		b, h, w, c := 1+d.below(2), d.n(30), d.n(30), d.n(150)
		return fmt.Sprintf("%dx%dx%dx%d", b, 2*h, 2*w, c), float64(4 * b * h * w * c), func(mk *Maker) kernels.Op {
			return kernels.MaxPool{X: mk.F32(b, 2*h, 2*w, c), Y: mk.Out(b, h, w, c)}
		}
	},
	"upsample-add": func(d *draw) (string, float64, build) {
		b, h, w, c := 1+d.below(2), d.n(30), d.n(30), d.n(150)
		return fmt.Sprintf("%dx%dx%dx%d", b, 2*h, 2*w, c), float64(4 * b * h * w * c), func(mk *Maker) kernels.Op {
			return kernels.UpsampleAdd{X: mk.F32(b, 2*h, 2*w, c), Top: mk.F32(b, h, w, c), Y: mk.Out(b, 2*h, 2*w, c)}
		}
	},
	"resize": func(d *draw) (string, float64, build) {
		n, h, w, oh, ow, antialias := 1+d.below(3), d.n(150), d.n(150), d.n(150), d.n(150), d.coin()
		return fmt.Sprintf("%d of %dx%d to %dx%d, antialias %v", n, h, w, oh, ow, antialias), float64(10 * n * (h*w + h*ow + oh*ow)), func(mk *Maker) kernels.Op {
			return kernels.Resize{X: mk.Scaled(10, n, h, w), Y: mk.Out(n, oh, ow), Antialias: antialias}
		}
	},
	"preprocess": func(d *draw) (string, float64, build) {
		h, w, s := d.n(200), d.n(200), d.n(150)
		return fmt.Sprintf("%dx%d to %dx%d", h, w, s, s), float64(30 * (h*w + h*s + s*s)), func(mk *Maker) kernels.Op {
			picture := make([]byte, 3*h*w)
			for i := range picture {
				picture[i] = byte(mk.rng.next())
			}
			return kernels.Preprocess{X: mk.Bytes(kernels.U8, picture, h, w, 3), Mean: imageNetMean, Std: imageNetStd, Y: mk.Out(s, s, 3)}
		}
	},
	"mask-boxes": func(d *draw) (string, float64, build) {
		n, h, w, oh, ow := 1+d.below(3), d.n(60), d.n(60), d.n(150), d.n(150)
		v := make([]float32, n*h*w)
		for i := range v {
			v[i] = -10.3
		}
		for p := range n {
			v[p*h*w+d.below(h*w)] = 7.7
		}
		cost := float64(10 * n * (h*w + h*ow + oh*ow))
		if !isClear(v, n, h, w, oh, ow) {
			cost = math.Inf(1) // another one
		}
		return fmt.Sprintf("%d of %dx%d to %dx%d", n, h, w, oh, ow), cost, func(mk *Maker) kernels.Op {
			return kernels.MaskBoxes{X: mk.Data(v, n, h, w), H: oh, W: ow, Y: mk.OutOf(kernels.I32, n, 4)}
		}
	},
}

package kerneltest

import (
	"fmt"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// References of the products: sums over the inputs of a result, in the order of K, with nothing
// clever.

// evaluateProduct evaluates the products and convolutions; nil for other ops.
func evaluateProduct[F real](op kernels.Op, at content[F]) (y []F, exactly bool) {
	switch o := op.(type) {
	case kernels.Linear:
		return linear(o, at), within
	case kernels.MatMulNT:
		return matMulNT(o, at), within
	case kernels.Conv2D:
		return conv2D(o, at), within
	case kernels.DepthwiseConv:
		return depthwiseConv(o, at), within
	case kernels.UpConv:
		return upConv(o, at), within
	}
	return nil, within
}

func linear[F real](o kernels.Linear, at content[F]) []F {
	x, w := at(o.X), at(o.W)
	m, n, k := o.X.Rows(), o.W.Dim(0), o.W.Dim(1)
	return epilogue(products(x, w, m, n, k), at(o.Bias), at(o.Res), o.Act)
}

func matMulNT[F real](o kernels.MatMulNT, at content[F]) []F {
	return products(at(o.A), at(o.B), o.A.Dim(0), o.B.Dim(0), o.A.Dim(1))
}

// products is [m, k] times the transpose of [n, k].
func products[F real](a, b []F, m, n, k int) []F {
	y := make([]F, m*n)
	for i := range m {
		for j := range n {
			y[i*n+j] = dot(a[i*k:(i+1)*k], b[j*k:(j+1)*k])
		}
	}
	return y
}

func conv2D[F real](o kernels.Conv2D, at content[F]) []F {
	x, w := at(o.X), at(o.W)
	h, wd, c := o.X.Dim(1), o.X.Dim(2), o.X.Dim(3)
	oh, ow, n := o.Y.Dim(1), o.Y.Dim(2), o.Y.Dim(3)
	y := make([]F, o.Y.Len())
	for i := range y {
		b, oy, ox, out := i/(oh*ow*n), i/(ow*n)%oh, i/n%ow, i%n
		var s F
		for ky := range o.Kernel {
			for kx := range o.Kernel {
				iy, ix := oy*o.Stride-o.Pad+ky, ox*o.Stride-o.Pad+kx
				if iy < 0 || iy >= h || ix < 0 || ix >= wd {
					continue
				}
				px := x[((b*h+iy)*wd+ix)*c:][:c]
				wt := w[((out*o.Kernel+ky)*o.Kernel+kx)*c:][:c]
				for j := range c {
					s += px[j] * wt[j]
				}
			}
		}
		y[i] = s
	}
	return epilogue(y, at(o.Bias), at(o.Res), o.Act)
}

func depthwiseConv[F real](o kernels.DepthwiseConv, at content[F]) []F {
	x, w := at(o.X), at(o.W)
	h, wd, c := o.X.Dim(1), o.X.Dim(2), o.X.Dim(3)
	y := make([]F, o.Y.Len())
	for i := range y {
		b, oy, ox, ch := i/(h*wd*c), i/(wd*c)%h, i/c%wd, i%c
		var s F
		for ky := range o.Kernel {
			for kx := range o.Kernel {
				iy, ix := oy-o.Kernel/2+ky, ox-o.Kernel/2+kx
				if iy >= 0 && iy < h && ix >= 0 && ix < wd {
					s += x[((b*h+iy)*wd+ix)*c+ch] * w[(ky*o.Kernel+kx)*c+ch]
				}
			}
		}
		y[i] = s
	}
	return epilogue(y, at(o.Bias), nil, kernels.None)
}

func upConv[F real](o kernels.UpConv, at content[F]) []F {
	x, w := at(o.X), at(o.W)
	h, wd, c, n := o.X.Dim(1), o.X.Dim(2), o.X.Dim(3), o.Y.Dim(3)
	y := make([]F, o.Y.Len())
	for i := range y {
		b, oy, ox, out := i/(4*h*wd*n), i/(2*wd*n)%(2*h), i/n%(2*wd), i%n
		px := x[((b*h+oy/2)*wd+ox/2)*c:][:c]
		wt := w[((oy%2*2+ox%2)*n+out)*c:][:c]
		y[i] = dot(px, wt)
	}
	return epilogue(y, at(o.Bias), at(o.Res), o.Act)
}

func productCases() []Case {
	lin := func(m, n, k int) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			return kernels.Linear{X: mk.F32(m, k), W: mk.Packed(n, k), Bias: mk.F32(n), Y: mk.Out(m, n)}
		}
	}
	conv := func(b, h, w, c, n, kernel, stride, pad int) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			oh, ow := (h+2*pad-kernel)/stride+1, (w+2*pad-kernel)/stride+1
			return kernels.Conv2D{X: mk.F32(b, h, w, c), W: mk.Packed(n, kernel*kernel*c), Bias: mk.F32(n),
				Kernel: kernel, Stride: stride, Pad: pad, Y: mk.Out(b, oh, ow, n)}
		}
	}
	depthwise := func(b, h, w, c, kernel int) func(*Maker) kernels.Op {
		return func(mk *Maker) kernels.Op {
			return kernels.DepthwiseConv{X: mk.F32(b, h, w, c), W: mk.F32(kernel, kernel, c), Bias: mk.F32(c),
				Kernel: kernel, Y: mk.Out(b, h, w, c)}
		}
	}
	cases := []Case{
		{"linear/1x1x1", lin(1, 1, 1)},
		{"linear/one row", lin(1, 96, 147)},
		{"linear/odd in every axis", lin(37, 53, 29)},
		{"linear/one column", lin(65, 1, 33)},
		{"linear/multiples of the usual blocks", lin(64, 128, 256)},
		{"linear/one past the blocks", lin(65, 129, 257)},
		{"linear/one short of the blocks", lin(47, 63, 255)},
		{"linear/long K", lin(7, 33, 2304)},
		{"linear/rows of several axes, no bias", func(mk *Maker) kernels.Op {
			return kernels.Linear{X: mk.F32(2, 5, 7, 24), W: mk.Packed(40, 24), Y: mk.Out(2, 5, 7, 40)}
		}},
		{"linear/residual in place", func(mk *Maker) kernels.Op {
			y := mk.F32(33, 48)
			return kernels.Linear{X: mk.F32(33, 20), W: mk.Packed(48, 20), Bias: mk.F32(48), Res: y, Y: y}
		}},
		{"linear/residual repeats over rows", func(mk *Maker) kernels.Op {
			return kernels.Linear{X: mk.F32(2, 21, 20), W: mk.Packed(18, 20), Bias: mk.F32(18), Res: mk.F32(21, 18), Act: kernels.GELU, Y: mk.Out(2, 21, 18)}
		}},
		{"linear/residual of one row, no bias", func(mk *Maker) kernels.Op {
			return kernels.Linear{X: mk.F32(50, 9), W: mk.Packed(17, 9), Res: mk.F32(17), Y: mk.Out(50, 17)}
		}},
		{"matmul-nt/masks", func(mk *Maker) kernels.Op {
			return kernels.MatMulNT{A: mk.F32(4, 32), B: mk.F32(1024, 32), Y: mk.Out(4, 1024)}
		}},
		{"matmul-nt/odd", func(mk *Maker) kernels.Op {
			return kernels.MatMulNT{A: mk.F32(19, 37), B: mk.F32(23, 37), Y: mk.Out(19, 23)}
		}},
		{"matmul-nt/1x1x1", func(mk *Maker) kernels.Op {
			return kernels.MatMulNT{A: mk.F32(1, 1), B: mk.F32(1, 1), Y: mk.Out(1, 1)}
		}},
		{"conv2d/patch embedding 7x7 stride 4", conv(2, 32, 36, 3, 24, 7, 4, 3)},
		{"conv2d/3x3 stride 2", conv(2, 17, 12, 5, 19, 3, 2, 1)},
		{"conv2d/3x3 stride 1", conv(1, 9, 11, 16, 32, 3, 1, 1)},
		{"conv2d/1 to 4 channels", conv(2, 17, 20, 1, 4, 3, 2, 1)},
		{"conv2d/4 to 16 channels", conv(2, 17, 20, 4, 16, 3, 2, 1)},
		{"conv2d/2x2 stride 2", conv(1, 16, 12, 1, 4, 2, 2, 0)},
		{"conv2d/4x4 stride 4", conv(1, 16, 16, 1, 1, 4, 4, 0)},
		{"conv2d/1x1", conv(2, 7, 5, 21, 33, 1, 1, 0)},
		{"conv2d/kernel larger than the map", conv(1, 2, 3, 4, 6, 7, 4, 3)},
		{"conv2d/no bias, residual", func(mk *Maker) kernels.Op {
			return kernels.Conv2D{X: mk.F32(2, 8, 8, 4), W: mk.Packed(10, 36), Res: mk.F32(8, 8, 10), Kernel: 3, Stride: 1, Pad: 1, Y: mk.Out(2, 8, 8, 10)}
		}},
		{"depthwise-conv/7x7", depthwise(2, 13, 17, 40, 7)},
		{"depthwise-conv/odd channels", depthwise(1, 9, 8, 37, 7)},
		{"depthwise-conv/map smaller than the kernel", depthwise(1, 3, 2, 16, 7)},
		{"depthwise-conv/one pixel, one channel", depthwise(1, 1, 1, 1, 7)},
		{"depthwise-conv/3x3", depthwise(1, 6, 30, 64, 3)},
		{"depthwise-conv/1x1", depthwise(1, 5, 5, 24, 1)},
		{"up-conv/odd", func(mk *Maker) kernels.Op {
			return kernels.UpConv{X: mk.F32(2, 5, 7, 19), W: mk.Packed(4*11, 19), Bias: mk.F32(11), Y: mk.Out(2, 10, 14, 11)}
		}},
		{"up-conv/residual and gelu", func(mk *Maker) kernels.Op {
			return kernels.UpConv{X: mk.F32(1, 8, 8, 64), W: mk.Packed(4*32, 64), Bias: mk.F32(32), Res: mk.F32(1, 16, 16, 32), Act: kernels.GELU, Y: mk.Out(1, 16, 16, 32)}
		}},
	}
	for a, name := range actNames {
		cases = append(cases,
			Case{"linear/" + name, func(mk *Maker) kernels.Op {
				op := lin(21, 35, 12)(mk).(kernels.Linear)
				op.Act = a
				return op
			}},
			Case{"conv2d/" + name, func(mk *Maker) kernels.Op {
				op := conv(1, 6, 6, 3, 9, 3, 1, 1)(mk).(kernels.Conv2D)
				op.Act = a
				return op
			}})
	}
	return cases
}

// productRandoms draw random cases of the products and convolutions; see random.go.
var productRandoms = map[string]func(*draw) (what string, cost float64, b build){
	"linear": func(d *draw) (string, float64, build) {
		m, n, k, act := d.n(300), d.n(300), d.n(600), d.act()
		if d.below(4) == 0 {
			k = d.of(1023, 1024, 1025, 2048)
		}
		bias, res := n*d.below(2), d.residual(m)
		return fmt.Sprintf("%dx%d of %d, bias %d, residual of %d rows, %s", m, n, k, bias, res, actNames[act]), float64(m * n * k), func(mk *Maker) kernels.Op {
			return kernels.Linear{X: mk.F32(m, k), W: mk.Packed(n, k), Bias: mk.optional(bias), Res: mk.optional(res, n), Act: act, Y: mk.Out(m, n)}
		}
	},
	"matmul-nt": func(d *draw) (string, float64, build) {
		m, n, k := d.n(300), d.n(300), d.n(600)
		return fmt.Sprintf("%dx%d of %d", m, n, k), float64(m * n * k), func(mk *Maker) kernels.Op {
			return kernels.MatMulNT{A: mk.F32(m, k), B: mk.F32(n, k), Y: mk.Out(m, n)}
		}
	},
	"conv2d": func(d *draw) (string, float64, build) {
		b, h, w, c, n, kernel, stride, act := 1+d.below(2), d.n(60), d.n(60), d.n(70), d.n(100), 1+d.below(7), 1+d.below(4), d.act()
		pad := d.below(kernel)
		h, w = max(h, kernel-2*pad), max(w, kernel-2*pad)
		oh, ow, bias := (h+2*pad-kernel)/stride+1, (w+2*pad-kernel)/stride+1, n*d.below(2)
		res := d.residual(oh * ow)
		return fmt.Sprintf("%dx%dx%dx%d to %d, kernel %d stride %d pad %d, bias %d, residual of %d pixels, %s", b, h, w, c, n, kernel, stride, pad, bias, res, actNames[act]),
			float64(b * oh * ow * n * kernel * kernel * c), func(mk *Maker) kernels.Op {
				return kernels.Conv2D{X: mk.F32(b, h, w, c), W: mk.Packed(n, kernel*kernel*c), Bias: mk.optional(bias), Res: mk.optional(res, n),
					Kernel: kernel, Stride: stride, Pad: pad, Act: act, Y: mk.Out(b, oh, ow, n)}
			}
	},
	"depthwise-conv": func(d *draw) (string, float64, build) {
		b, h, w, c, kernel := 1+d.below(2), d.n(30), d.n(40), d.n(150), d.of(1, 3, 5, 7, 7, 7)
		return fmt.Sprintf("%dx%dx%dx%d, kernel %d", b, h, w, c, kernel), float64(b * h * w * c * kernel * kernel), func(mk *Maker) kernels.Op {
			return kernels.DepthwiseConv{X: mk.F32(b, h, w, c), W: mk.F32(kernel, kernel, c), Bias: mk.F32(c), Kernel: kernel, Y: mk.Out(b, h, w, c)}
		}
	},
	"up-conv": func(d *draw) (string, float64, build) {
		b, h, w, c, n, act, res := 1+d.below(2), d.n(20), d.n(60), d.n(150), d.n(70), d.act(), d.coin()
		return fmt.Sprintf("%dx%dx%dx%d to %d, residual %v, %s", b, h, w, c, n, res, actNames[act]), float64(4 * b * h * w * c * n), func(mk *Maker) kernels.Op {
			op := kernels.UpConv{X: mk.F32(b, h, w, c), W: mk.Packed(4*n, c), Bias: mk.F32(n), Act: act, Y: mk.Out(b, 2*h, 2*w, n)}
			if res {
				op.Res = mk.F32(b, 2*h, 2*w, n)
			}
			return op
		}
	},
}

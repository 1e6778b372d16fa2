package synthetic

// Compression as in JPEG and the video codecs: the picture in luma and two chroma planes of half
// the resolution, each cut in blocks of 8x8, transformed by the DCT, and its coefficients rounded
// to multiples of a step that grows with frequency. All in integers.

// cosines are 2048 * cos(k pi / 16) / 2, and the first row's 2048 / sqrt(8).
var cosines = [8][8]int32{
	{724, 724, 724, 724, 724, 724, 724, 724},
	{1004, 851, 569, 200, -200, -569, -851, -1004},
	{946, 392, -392, -946, -946, -392, 392, 946},
	{851, -200, -1004, -569, 569, 1004, 200, -851},
	{724, -724, -724, 724, 724, -724, -724, 724},
	{569, -1004, 200, 851, -851, -200, 1004, -569},
	{392, -946, 946, -392, -392, 946, -946, 392},
	{200, -569, 851, -1004, 1004, -851, 569, -200},
}

func compress(rgb []uint8, w, h int, quantum int32, b *buffers) {
	// Planes are padded to whole blocks of chroma by repeating the last row and column.
	pw, ph := (w+15)/16*16, (h+15)/16*16
	if len(b.luma) < pw*ph {
		b.luma, b.cb, b.cr = make([]int32, pw*ph), make([]int32, pw*ph/4), make([]int32, pw*ph/4)
	}
	luma, cb, cr := b.luma[:pw*ph], b.cb[:pw*ph/4], b.cr[:pw*ph/4]
	clear(cb)
	clear(cr)
	for y := range ph {
		row := rgb[min(y, h-1)*w*3:][:w*3]
		for x := range pw {
			p := row[min(x, w-1)*3:][:3]
			r, g, bl := int32(p[0]), int32(p[1]), int32(p[2])
			l := (77*r + 150*g + 29*bl + 128) >> 8
			luma[y*pw+x] = l - 128
			i := y/2*(pw/2) + x/2
			cb[i] += bl - l // sums of four
			cr[i] += r - l
		}
	}
	for i := range cb {
		cb[i], cr[i] = (cb[i]+2)>>2, (cr[i]+2)>>2
	}
	var steps, coarse [64]int32
	for i := range steps {
		steps[i] = quantum * int32(2+i%8+i/8) / 2
		coarse[i] = 2 * steps[i]
	}
	blocks(luma, pw, &steps)
	blocks(cb, pw/2, &coarse)
	blocks(cr, pw/2, &coarse)
	for y := range h {
		row := rgb[y*w*3:][:w*3]
		for x := range w {
			l, i := luma[y*pw+x]+128, y/2*(pw/2)+x/2
			r, bl := l+cr[i], l+cb[i]
			g := (256*l - 77*r - 29*bl + 75) / 150
			row[x*3], row[x*3+1], row[x*3+2] = level(r), level(g), level(bl)
		}
	}
}

func level(v int32) uint8 { return uint8(min(max(v, 0), 255)) }

// blocks rounds the coefficients of every block of a plane.
func blocks(plane []int32, w int, steps *[64]int32) {
	var block [64]int32
	for y := 0; y < len(plane)/w; y += 8 {
		for x := 0; x < w; x += 8 {
			for i := range 8 {
				copy(block[i*8:], plane[(y+i)*w+x:][:8])
			}
			for i := range 8 {
				forward(&block, i*8, 1, 8)
			}
			for i := range 8 {
				forward(&block, i, 8, 14)
			}
			rest := int32(0)
			for i, c := range block {
				half := steps[i] / 2
				if c < 0 {
					half = -half
				}
				block[i] = (c + half) / steps[i] * steps[i]
				if i > 0 {
					rest |= block[i]
				}
			}
			if rest == 0 {
				v := (block[0] + 4) >> 3
				for i := range 64 {
					block[i] = v
				}
			} else {
				for i := range 8 {
					backward(&block, i, 8, 8)
				}
				for i := range 8 {
					backward(&block, i*8, 1, 14)
				}
			}
			for i := range 8 {
				copy(plane[(y+i)*w+x:][:8], block[i*8:][:8])
			}
		}
	}
}

// forward transforms eight values in place. Sums and differences of mirrored values halve the
// products.
func forward(b *[64]int32, at, step, shift int) {
	var s, d [4]int32
	for i := range 4 {
		p, q := b[at+i*step], b[at+(7-i)*step]
		s[i], d[i] = p+q, p-q
	}
	round := int32(1) << (shift - 1)
	for k := 0; k < 8; k += 2 {
		e, o := &cosines[k], &cosines[k+1]
		b[at+k*step] = (e[0]*s[0] + e[1]*s[1] + e[2]*s[2] + e[3]*s[3] + round) >> shift
		b[at+(k+1)*step] = (o[0]*d[0] + o[1]*d[1] + o[2]*d[2] + o[3]*d[3] + round) >> shift
	}
}

// backward is the inverse.
func backward(b *[64]int32, at, step, shift int) {
	var c [8]int32
	for k := range c {
		c[k] = b[at+k*step]
	}
	round := int32(1) << (shift - 1)
	for i := range 4 {
		even := c[0]*cosines[0][i] + c[2]*cosines[2][i] + c[4]*cosines[4][i] + c[6]*cosines[6][i]
		odd := c[1]*cosines[1][i] + c[3]*cosines[3][i] + c[5]*cosines[5][i] + c[7]*cosines[7][i]
		b[at+i*step] = (even + odd + round) >> shift
		b[at+(7-i)*step] = (even - odd + round) >> shift
	}
}

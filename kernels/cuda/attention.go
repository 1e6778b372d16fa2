package cuda

import (
	"errors"
	"math"
	"strconv"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// The three attentions are one (attention.cu, flash.cu): a plan says which kernel, over how many
// blocks, and what of its memory is what. In float32 there is one kernel for all. In 16 bits there
// is one that reads keys and values as they are, for windows and where few queries read them, and
// one that reads them in 16 bits: in place, where they are that already and of its width, else a
// copy. Both are made for some widths, of which the next is taken. What is wider than all of them
// is done in float32.

// attendArgs is struct attend_args.
type attendArgs struct {
	q, k, v, padK, padV, halfK, halfV, y, partY, partTop, partSum uint64

	qType, kType, vType, yType int32

	ldq, ldk, ldv, ldy int32
	ldHalfK, ldHalfV   int32
	heads, d, dv       int32
	nq, nk             int32
	qh, qw, kh, kw     int32
	wqh, wqw, wkh, wkw int32
	down, across       int32
	pool, parts        int32
	scale              float32
	vectors            int32

	problems, warps, tile int32
}

type attendJoinArgs struct {
	y, top, sum, to                uint64
	problems, parts, nq, heads, dv int32
	wide, typed                    int32
	_                              int32
}

type attendHalveArgs struct {
	x, y                [2]uint64
	ld, n, width, typed [2]int32
	nk, heads           int32
	f16, vectors        int32
}

type rotaryKeysArgs struct {
	x, w, bias, cos, sin, y       uint64
	n, m, d, width, side, turning int32
	typed, vectors                int32
}

// direct are the widths of the kernels that read keys and values as they are.
var direct = []int{16, 32, 64, 80, 96, 128}

// directWarps and directShared are how many warps, and bytes of shared memory, a block of several
// problems has at most.
const (
	directWarps  = 4
	directShared = 64 << 10
	manyBlocks   = 2 // of a multiprocessor, below which a block keeps to one problem
)

// flash are the kernels that read keys and values in 16 bits: width of queries and keys, of values,
// keys of a tile, tiles of 16 queries of a warp, pieces of 16 channels of the queries in registers,
// warps, and blocks that fit on a multiprocessor.
var flash = []struct {
	name                                      string
	d, dv, keys, tiles, held, warps, resident int
}{
	{"flash_64_64", 64, 64, 64, 2, 4, 4, 2},
	{"flash_80_80", 80, 80, 64, 2, 4, 4, 2},
	{"flash_96_96", 96, 96, 48, 2, 4, 4, 2},
	{"flash_256_64", 256, 64, 64, 2, 8, 8, 1},
	{"flash_256_256", 256, 256, 48, 1, 12, 8, 1},
}

// attending is an attention as it is carried out.
type attending struct {
	args   attendArgs
	maps   int
	kernel string
	grid   dim
	block  dim
	shared int

	made     bool    // keys are made in memory, for the op to do
	half     bool    // the kernel multiplies in 16 bits
	d, dv    int     // widths in 16 bits that the kernel reads, 0: it reads keys and values as they are
	copied   [2]bool // whether values, and keys, are copied to 16 bits
	keys     int     // where keys are in the op's memory, values, and the parts' sums
	values   int
	y        int
	top, sum int
	bytes    int // of the op's memory
}

// plan completes an attention of some maps. made says that its keys are to be made.
func (d *Device) plan(a attendArgs, maps int, made bool) attending {
	p := attending{args: a, maps: maps, made: made}
	nq, nk, dk, dv := int(a.nq), int(a.nk), int(a.d), int(a.dv)
	windows := int(a.down * a.across)
	whole := a.wkh == a.kh && a.wkw == a.kw // a window is all of a map

	var queries, resident, least int // of a block, blocks of a multiprocessor, keys of a part at least
	columns := 1
	switch {
	case d.precision != Float32 && !made && (!whole || nq <= 64 || nk <= 256) && max(dk, dv) <= direct[len(direct)-1]:
		width := direct[0]
		for i := 0; width < max(dk, dv); i++ {
			width = direct[i]
		}
		warps, tile := min(ceil(nq, 16), directWarps), min(64, ceil(nk, 16)*16)
		p.half = true
		p.kernel = "direct_" + strconv.Itoa(width) + "_" + d.precision.String()
		p.block, p.shared = dim{32 * warps, 1, 1}, 2*(2*tile+16*warps)*(width+8)+4*(16*warps+2*64)
		p.args.warps, p.args.tile = int32(warps), int32(tile)
		queries, resident, least = 16*warps, 2, 128
	case d.precision != Float32 && whole && dk <= 256 && dv <= 256:
		k := flash[0]
		for i := 0; k.d < dk || k.dv < dv; i++ {
			k = flash[i]
		}
		p.half = true
		p.kernel = k.name + "_" + d.precision.String()
		queries, resident, least = 16*k.tiles*k.warps, k.resident, 256
		p.block, p.shared = dim{32 * k.warps, 1, 1}, 2*2*k.keys*(k.d+8+k.dv+8)
		if rest := k.d - 16*k.held; rest > 0 {
			p.shared += 2 * queries * (rest + 8)
		}
		p.d, p.dv = k.d, k.dv
		p.copied = [2]bool{a.vType == 0 || dv != k.dv, !made && (a.kType == 0 || dk != k.d)}
	default:
		p.kernel = "attend_exact"
		if a.qType|a.kType|a.vType|a.yType != 0 {
			p.kernel = "attend_exact_narrow"
		}
		p.block, p.shared = dim{256, 1, 1}, 4*(2*64*33+64*65)
		queries, resident, least = 64, 2, 128
		columns = ceil(dv, 256)
	}

	// The parts are as many for one map as for several: its result shall not depend on the others.
	blocks, parts := ceil(nq, queries), 1
	if whole {
		parts = max(1, min(resident*d.processors/(blocks*int(a.heads)), nk/least))
	}
	p.args.parts = int32(parts)
	problems := maps * windows * int(a.heads)
	p.args.problems = int32(problems)
	groups := 1 // problems of a block, where they are many
	for p.args.warps > 0 && blocks == 1 && 2*groups*p.block.x <= 32*directWarps && 2*groups*p.shared <= directShared &&
		problems*parts >= 2*groups*manyBlocks*d.processors {
		groups *= 2
	}
	p.block.x, p.shared = groups*p.block.x, groups*p.shared
	p.grid = dim{ceil(problems, groups) * blocks, parts, columns}

	place := func(bytes int) int {
		at := p.bytes
		p.bytes += ceil(bytes, 256) * 256
		return at
	}
	switch {
	case made && p.d > 0:
		p.keys = place(2 * nk * p.d)
	case made:
		p.keys = place(4 * nk * dk)
	case p.copied[1]:
		p.keys = place(2 * problems * nk * p.d)
	}
	if p.copied[0] {
		p.values = place(2 * problems * nk * p.dv)
	}
	if parts > 1 {
		p.y, p.top, p.sum = place(4*problems*parts*nq*dv), place(4*problems*parts*nq), place(4*problems*parts*nq)
	}
	return p
}

// planOf returns the plan of an attention, an empty one for other ops.
func (d *Device) planOf(op kernels.Op) attending {
	switch op := op.(type) {
	case kernels.Attention:
		return d.planAttention(op)
	case kernels.WindowAttention:
		return d.planWindows(op)
	case kernels.RotaryAttention:
		return d.planRotary(op)
	}
	return attending{}
}

func (d *Device) planAttention(op kernels.Attention) attending {
	nq, nk := int32(op.Q.Dim(0)), int32(op.K.Dim(0))
	ldk, ldv := int32(op.K.Dim(1)), int32(op.V.Dim(1))
	heads := int32(op.Heads)
	return d.plan(attendArgs{qType: typeOf(op.Q), kType: typeOf(op.K), vType: typeOf(op.V), yType: typeOf(op.Y), ldq: ldk, ldk: ldk, ldv: ldv, ldy: ldv, heads: heads, d: ldk / heads, dv: ldv / heads, nq: nq, nk: nk,
		qh: 1, qw: nq, kh: 1, kw: nk, wqh: 1, wqw: nq, wkh: 1, wkw: nk, down: 1, across: 1, scale: op.Scale}, 1, false)
}

func (d *Device) attention(op kernels.Attention) error {
	if err := d.readable(op.Name(), op.Q, op.K, op.V, op.Y); err != nil {
		return err
	}
	p := d.planAttention(op)
	p.args.q, p.args.k, p.args.v, p.args.y = address(op.Q), address(op.K), address(op.V), address(op.Y)
	return d.attend(p, nil)
}

func (d *Device) planWindows(op kernels.WindowAttention) attending {
	h, w, c := int32(op.QKV.Dim(1)), int32(op.QKV.Dim(2)), int32(op.Y.Dim(3))
	heads, wh, ww, step := int32(op.Heads), int32(op.Window), int32(op.Window), int32(1)
	if op.Window == 0 {
		wh, ww = h, w
	}
	if op.Pool {
		step = 2
	}
	types := typeOf(op.QKV)
	a := attendArgs{qType: types, kType: types, vType: types, yType: typeOf(op.Y), ldq: 3 * c, ldk: 3 * c, ldv: 3 * c, ldy: c, heads: heads, d: c / heads, dv: c / heads,
		nq: wh / step * (ww / step), nk: wh * ww, qh: h / step, qw: w / step, kh: h, kw: w,
		wqh: wh / step, wqw: ww / step, wkh: wh, wkw: ww, down: (h + wh - 1) / wh, across: (w + ww - 1) / ww, pool: step - 1,
		scale: float32(1 / math.Sqrt(float64(c/heads)))}
	return d.plan(a, op.QKV.Dim(0), false)
}

func (d *Device) windowAttention(op kernels.WindowAttention) error {
	if err := d.readable(op.Name(), op.QKV, op.Y); err != nil {
		return err
	}
	p := d.planWindows(op)
	c := uint64(op.Y.Dim(3))
	q, pad, size := address(op.QKV), address(op.PadQKV), uint64(op.QKV.DType.Size())
	p.args.q, p.args.k, p.args.v, p.args.y = q, q+size*c, q+2*size*c, address(op.Y)
	p.args.padK, p.args.padV = pad+4*c, pad+2*4*c
	return d.attend(p, nil)
}

func (d *Device) planRotary(op kernels.RotaryAttention) attending {
	nq, nk := int32(op.Q.Dim(0)), int32(op.X.Dim(0))
	dk, dv := int32(op.Q.Dim(1)), int32(op.V.Dim(1))
	return d.plan(attendArgs{qType: typeOf(op.Q), vType: typeOf(op.V), yType: typeOf(op.Y), ldq: dk, ldk: dk, ldv: dv, ldy: dv, heads: 1, d: dk, dv: dv, nq: nq, nk: nk,
		qh: 1, qw: nq, kh: 1, kw: nk, wqh: 1, wqw: nq, wkh: 1, wkw: nk, down: 1, across: 1, scale: op.Scale}, 1, true)
}

func (d *Device) rotaryAttention(op kernels.RotaryAttention) error {
	if err := d.readable(op.Name(), op.Q, op.X, op.V, op.Y); err != nil {
		return err
	}
	p := d.planRotary(op)
	p.args.q, p.args.v, p.args.y = address(op.Q), address(op.V), address(op.Y)
	side := op.Cos.Dim(0)
	return d.attend(p, func(keys uint64) error {
		a := rotaryKeysArgs{address(op.X), address(op.W), address(op.Bias), address(op.Cos), address(op.Sin), keys,
			p.args.nk, int32(op.X.Dim(1)), p.args.d, p.args.d, int32(side), int32(op.Maps * side * side), typeOf(op.X), 0}
		if a.typed != 0 && a.x%16 != 0 {
			return unaligned
		}
		if a.m%4 == 0 && (a.w%16|a.x%16) == 0 {
			a.vectors = 1
		}
		if !p.half {
			return launch(d, "rotary_keys_exact", dim{ceil(int(a.n), 64), ceil(int(a.d), 64), 1}, dim{256, 1, 1}, 4*2*64*33, a)
		}
		a.width = int32(p.d)
		return launch(d, "rotary_keys_"+d.precision.String(), dim{ceil(int(a.n), 64), ceil(p.d, 64), 1}, dim{128, 1, 1}, 2*2*64*72, a)
	})
}

var unaligned = errors.New("cuda: an attention wants operands in 16 bits aligned to 16 bytes")

// attend carries out a plan whose operands are in place. keys makes the keys, where they are to be
// made.
func (d *Device) attend(p attending, keys func(at uint64) error) error {
	a := &p.args
	var at uint64
	if p.bytes > 0 {
		var err error
		if at, err = d.reserve(p.bytes); err != nil {
			return err
		}
	}
	vectors := int32(1)
	for _, at := range []uint64{a.q, a.k, a.v, a.y, a.padK, a.padV} {
		if at%16 != 0 {
			vectors = 0
		}
	}
	if a.d%4 != 0 || a.dv%4 != 0 {
		vectors = 0
	}
	a.vectors = vectors
	for _, x := range []struct {
		of int32
		at uint64
	}{{a.qType, a.q}, {a.kType, a.k}, {a.vType, a.v}, {a.yType, a.y}} {
		if x.of != 0 && x.at%16 != 0 {
			return unaligned
		}
	}

	if p.made {
		if err := keys(at + uint64(p.keys)); err != nil {
			return err
		}
		a.k = at + uint64(p.keys)
	}
	if p.d > 0 {
		a.halfK, a.ldHalfK, a.halfV, a.ldHalfV = a.k, a.ldk, a.v, a.ldv
		if p.made || p.copied[1] {
			a.halfK, a.ldHalfK = at+uint64(p.keys), a.heads*int32(p.d)
		}
		if p.copied[0] {
			a.halfV, a.ldHalfV = at+uint64(p.values), a.heads*int32(p.dv)
		}
		if err := d.halve(p, vectors); err != nil {
			return err
		}
	}
	if a.parts > 1 {
		a.partY, a.partTop, a.partSum = at+uint64(p.y), at+uint64(p.top), at+uint64(p.sum)
	}
	if err := launch(d, p.kernel, p.grid, p.block, p.shared, *a); err != nil || a.parts == 1 {
		return err
	}
	j := attendJoinArgs{y: a.partY, top: a.partTop, sum: a.partSum, to: a.y, problems: a.problems, parts: a.parts, nq: a.nq, heads: a.heads,
		dv: a.dv, wide: 1, typed: a.yType}
	if a.dv%4 == 0 && a.y%16 == 0 {
		j.wide = 4
	}
	return launch(d, "attend_join", elements(int(j.problems*j.nq*j.dv/j.wide)), dim{elementThreads, 1, 1}, 0, j)
}

// halve sees that the kernel of a plan finds keys and values in 16 bits and of its widths.
func (d *Device) halve(p attending, vectors int32) error {
	a := &p.args
	h := attendHalveArgs{x: [2]uint64{a.v, a.k}, y: [2]uint64{a.halfV, a.halfK}, ld: [2]int32{a.ldv, a.ldk}, n: [2]int32{a.dv, a.d},
		width: [2]int32{int32(p.dv), int32(p.d)}, typed: [2]int32{a.vType, a.kType}, nk: a.nk, heads: a.heads, vectors: vectors}
	if d.precision == Float16 {
		h.f16 = 1
	}
	copies, width := 2, max(p.d, p.dv)
	switch {
	case !p.copied[0] && !p.copied[1]:
		return nil
	case !p.copied[1]:
		copies, width = 1, p.dv
	case !p.copied[0]:
		h.x[0], h.y[0], h.ld[0], h.n[0], h.width[0], h.typed[0] = h.x[1], h.y[1], h.ld[1], h.n[1], h.width[1], h.typed[1]
		copies, width = 1, p.d
	}
	return launch(d, "attend_halve", dim{ceil(int(a.nk)*width/8, 256), p.maps * int(a.heads), copies}, dim{256, 1, 1}, 0, h)
}

package kernels

// The ops on maps, planes and pictures. FLOP counts as for rows.

// MaxPool is the 2x2 maximum with stride 2, per channel.
type MaxPool struct {
	X *Tensor // f32 [B, H, W, C], H and W even
	Y *Tensor // f32 [B, H/2, W/2, C]
}

func (MaxPool) Name() string { return "max-pool" }

func (o MaxPool) Operands() []Operand {
	return []Operand{{"X", o.X, In}, {"Y", o.Y, Out}}
}

func (o MaxPool) Check() error {
	want := check(o.Name())
	want.shape("X", o.X, F32, some, some, some, some)
	h, wd := dim(o.X, 1), dim(o.X, 2)
	want.that(h%2 == 0 && wd%2 == 0, "X is %v, want even height and width", describe(o.X))
	want.shape("Y", o.Y, F32, dim(o.X, 0), h/2, wd/2, dim(o.X, 3))
	want.apart("X", o.X, o.Y)
	return want.err
}

func (o MaxPool) Cost() Cost {
	return Cost{FLOP: 3 * float64(o.Y.Len()), Bytes: bytesOf(o)}
}

// UpsampleAdd is Y = X + nearest-neighbour doubling of Top. Y may be X.
type UpsampleAdd struct {
	X   *Tensor // f32 [B, H, W, C]
	Top *Tensor // f32 [B, H/2, W/2, C]
	Y   *Tensor // f32 [B, H, W, C]
}

func (UpsampleAdd) Name() string { return "upsample-add" }

func (o UpsampleAdd) Operands() []Operand {
	return []Operand{{"X", o.X, In}, {"Top", o.Top, In}, {"Y", o.Y, Out}}
}

func (o UpsampleAdd) Check() error {
	want := check(o.Name())
	want.shape("X", o.X, F32, some, some, some, some)
	b, h, wd, c := dim(o.X, 0), dim(o.X, 1), dim(o.X, 2), dim(o.X, 3)
	want.that(h%2 == 0 && wd%2 == 0, "X is %v, want even height and width", describe(o.X))
	want.shape("Top", o.Top, F32, b, h/2, wd/2, c)
	want.shape("Y", o.Y, F32, b, h, wd, c)
	want.inPlace("X", o.X, o.Y)
	want.apart("Top", o.Top, o.Y)
	return want.err
}

func (o UpsampleAdd) Cost() Cost {
	return Cost{FLOP: float64(o.Y.Len()), Bytes: bytesOf(o)}
}

// Resize is bilinear interpolation of planes with half-pixel centres (align_corners=false). The
// source coordinate is computed in float32, as the reference does. With Antialias the triangle
// widens by the scale when shrinking.
type Resize struct {
	X         *Tensor // f32 [N, h, w]
	Y         *Tensor // f32 [N, H, W]
	Antialias bool
}

func (Resize) Name() string { return "resize" }

func (o Resize) Operands() []Operand {
	return []Operand{{"X", o.X, In}, {"Y", o.Y, Out}}
}

func (o Resize) Check() error {
	want := check(o.Name())
	want.shape("X", o.X, F32, some, some, some)
	want.shape("Y", o.Y, F32, dim(o.X, 0), some, some)
	want.apart("X", o.X, o.Y)
	return want.err
}

func (o Resize) Cost() Cost {
	taps := 6.0 // three lerps of two operations
	if o.Antialias {
		perAxis := func(in, out int) float64 { return 2 * max(float64(in)/float64(out), 1) }
		taps = 2 * (perAxis(o.X.Dim(2), o.Y.Dim(2)) + perAxis(o.X.Dim(1), o.Y.Dim(1)))
	}
	return Cost{FLOP: taps * float64(o.Y.Len()), Bytes: bytesOf(o)}
}

// Preprocess makes the network's input from an RGB picture: Pillow's antialiased bicubic stretch to
// S x S with its fixed-point arithmetic and 8-bit rounding after each of its two passes, bit for
// bit, then (v/255 - Mean)/Std.
type Preprocess struct {
	X         *Tensor // u8 [H, W, 3]
	Mean, Std [3]float32
	Y         *Tensor // f32 [S, S, 3]
}

func (Preprocess) Name() string { return "preprocess" }

func (o Preprocess) Operands() []Operand {
	return []Operand{{"X", o.X, In}, {"Y", o.Y, Out}}
}

func (o Preprocess) Check() error {
	want := check(o.Name())
	want.shape("X", o.X, U8, some, some, 3)
	want.shape("Y", o.Y, F32, some, dim(o.Y, 0), 3)
	for _, s := range o.Std {
		want.that(s != 0, "Std is %v, want no zero", o.Std)
	}
	want.apart("X", o.X, o.Y)
	return want.err
}

// Cost counts the four taps of an unscaled cubic, stretched where the picture shrinks.
func (o Preprocess) Cost() Cost {
	h, w, s := float64(o.X.Dim(0)), float64(o.X.Dim(1)), float64(o.Y.Dim(0))
	taps := func(in float64) float64 { return 4 * max(in/s, 1) }
	flop := 2*3*(h*s*taps(w)+s*s*taps(h)) + 2*float64(o.Y.Len())
	return Cost{FLOP: flop, Bytes: bytesOf(o)}
}

// MaskBoxes finds, for each plane of logits, the box of the pixels > 0 after bilinear enlargement
// to H x W: xmin, ymin, xmax, ymax, all inclusive, and 0, 0, 0, 0 where there are none.
type MaskBoxes struct {
	X    *Tensor // f32 [N, h, w]
	H, W int
	Y    *Tensor // i32 [N, 4]
}

func (MaskBoxes) Name() string { return "mask-boxes" }

func (o MaskBoxes) Operands() []Operand {
	return []Operand{{"X", o.X, In}, {"Y", o.Y, Out}}
}

func (o MaskBoxes) Check() error {
	want := check(o.Name())
	want.shape("X", o.X, F32, some, some, some)
	want.that(o.H >= 1 && o.W >= 1, "H x W is %d x %d, want at least 1 x 1", o.H, o.W)
	want.shape("Y", o.Y, I32, dim(o.X, 0), 4)
	want.apart("X", o.X, o.Y)
	return want.err
}

func (o MaskBoxes) Cost() Cost {
	return Cost{FLOP: 6 * float64(o.X.Dim(0)) * float64(o.H) * float64(o.W), Bytes: bytesOf(o)}
}

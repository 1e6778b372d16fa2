package kernels

// The checks and costs of the ops on rows, elements and maps. FLOP counts each arithmetic operation and each
// elementary function per element once; these ops are bound by the bytes they move.

func (LayerNorm) Name() string   { return "layer-norm" }
func (Add) Name() string         { return "add" }
func (Activate) Name() string    { return "activate" }
func (Cast) Name() string        { return "cast" }
func (Fill) Name() string        { return "fill" }
func (MaxPool) Name() string     { return "max-pool" }
func (UpsampleAdd) Name() string { return "upsample-add" }
func (Resize) Name() string      { return "resize" }
func (Preprocess) Name() string  { return "preprocess" }
func (MaskBoxes) Name() string   { return "mask-boxes" }
func (CountAbove) Name() string  { return "count-above" }

func (o LayerNorm) Check() error {
	w := wish(o.Name())
	w.rows("X", o.X, F32, some)
	c := dim(o.X, -1)
	w.shape("Gamma", o.Gamma, F32, c)
	w.shape("Beta", o.Beta, F32, c)
	w.rows("Y", o.Y, factors, c)
	w.size("Y", o.Y, factors, length(o.X))
	w.vectors("Y", o.Y, c)
	w.that(o.Eps >= 0, "Eps is %g, want 0 or more", o.Eps)
	w.act(o.Act)
	w.inPlace("X", o.X, o.Y)
	w.apart("Gamma", o.Gamma, o.Y)
	w.apart("Beta", o.Beta, o.Y)
	return w.err
}

func (o LayerNorm) Cost() Cost {
	return Cost{FLOP: 8 * float64(o.X.Len()), Bytes: bytesOf(o.X, o.Gamma, o.Beta, o.Y)}
}

func (o Add) Check() error {
	w := wish(o.Name())
	w.size("A", o.A, F32, some)
	w.size("Y", o.Y, F32, length(o.A))
	w.size("B", o.B, F32, some)
	w.that(length(o.B) > 0 && length(o.Y)%max(length(o.B), 1) == 0,
		"B is %v, want a length that divides the %d elements of Y", describe(o.B), length(o.Y))
	w.inPlace("A", o.A, o.Y)
	w.inPlace("B", o.B, o.Y)
	return w.err
}

func (o Add) Cost() Cost {
	return Cost{FLOP: 2 * float64(o.Y.Len()), Bytes: bytesOf(o.A, o.B, o.Y)}
}

func (o Activate) Check() error {
	w := wish(o.Name())
	w.size("X", o.X, F32, some)
	w.size("Y", o.Y, F32, length(o.X))
	w.act(o.Act)
	w.inPlace("X", o.X, o.Y)
	return w.err
}

func (o Activate) Cost() Cost {
	return Cost{FLOP: 3 * float64(o.X.Len()), Bytes: bytesOf(o.X, o.Y)}
}

func (o Cast) Check() error {
	w := wish(o.Name())
	w.that(o.X != nil, "X is missing")
	w.that(o.Y != nil, "Y is missing")
	if w.err != nil {
		return w.err
	}
	half := func(d DType) bool { return d == F16 || d == BF16 }
	w.that(o.X.DType == o.Y.DType || o.X.DType == F32 && half(o.Y.DType) || half(o.X.DType) && o.Y.DType == F32,
		"no cast from %v to %v", o.X.DType, o.Y.DType)
	w.size("X", o.X, o.X.DType, some)
	w.size("Y", o.Y, o.Y.DType, o.X.Len())
	w.inPlace("X", o.X, o.Y)
	return w.err
}

func (o Cast) Cost() Cost {
	return Cost{FLOP: float64(o.X.Len()), Bytes: bytesOf(o.X, o.Y)}
}

func (o Fill) Check() error {
	w := wish(o.Name())
	w.size("Y", o.Y, F32, some)
	return w.err
}

func (o Fill) Cost() Cost { return Cost{Bytes: bytesOf(o.Y)} }

func (o MaxPool) Check() error {
	w := wish(o.Name())
	w.shape("X", o.X, F32, some, some, some, some)
	h, wd := dim(o.X, 1), dim(o.X, 2)
	w.that(h%2 == 0 && wd%2 == 0, "X is %v, want even height and width", describe(o.X))
	w.shape("Y", o.Y, F32, dim(o.X, 0), h/2, wd/2, dim(o.X, 3))
	w.apart("X", o.X, o.Y)
	return w.err
}

func (o MaxPool) Cost() Cost {
	return Cost{FLOP: 3 * float64(o.Y.Len()), Bytes: bytesOf(o.X, o.Y)}
}

func (o UpsampleAdd) Check() error {
	w := wish(o.Name())
	w.shape("X", o.X, F32, some, some, some, some)
	b, h, wd, c := dim(o.X, 0), dim(o.X, 1), dim(o.X, 2), dim(o.X, 3)
	w.that(h%2 == 0 && wd%2 == 0, "X is %v, want even height and width", describe(o.X))
	w.shape("Top", o.Top, F32, b, h/2, wd/2, c)
	w.shape("Y", o.Y, F32, b, h, wd, c)
	w.inPlace("X", o.X, o.Y)
	w.apart("Top", o.Top, o.Y)
	return w.err
}

func (o UpsampleAdd) Cost() Cost {
	return Cost{FLOP: float64(o.Y.Len()), Bytes: bytesOf(o.X, o.Top, o.Y)}
}

func (o Resize) Check() error {
	w := wish(o.Name())
	w.shape("X", o.X, F32, some, some, some)
	w.shape("Y", o.Y, F32, dim(o.X, 0), some, some)
	w.apart("X", o.X, o.Y)
	return w.err
}

func (o Resize) Cost() Cost {
	taps := 6.0 // three lerps of two operations
	if o.Antialias {
		perAxis := func(in, out int) float64 { return 2 * max(float64(in)/float64(out), 1) }
		taps = 2 * (perAxis(o.X.Dim(2), o.Y.Dim(2)) + perAxis(o.X.Dim(1), o.Y.Dim(1)))
	}
	return Cost{FLOP: taps * float64(o.Y.Len()), Bytes: bytesOf(o.X, o.Y)}
}

func (o Preprocess) Check() error {
	w := wish(o.Name())
	w.shape("X", o.X, U8, some, some, 3)
	w.shape("Y", o.Y, F32, some, dim(o.Y, 0), 3)
	for _, s := range o.Std {
		w.that(s != 0, "Std is %v, want no zero", o.Std)
	}
	w.apart("X", o.X, o.Y)
	return w.err
}

// Cost counts the four taps of an unscaled cubic, stretched where the picture shrinks.
func (o Preprocess) Cost() Cost {
	h, w, s := float64(o.X.Dim(0)), float64(o.X.Dim(1)), float64(o.Y.Dim(0))
	taps := func(in float64) float64 { return 4 * max(in/s, 1) }
	flop := 2*3*(h*s*taps(w)+s*s*taps(h)) + 2*float64(o.Y.Len())
	return Cost{FLOP: flop, Bytes: bytesOf(o.X, o.Y)}
}

func (o MaskBoxes) Check() error {
	w := wish(o.Name())
	w.shape("X", o.X, F32, some, some, some)
	w.that(o.H >= 1 && o.W >= 1, "H x W is %d x %d, want at least 1 x 1", o.H, o.W)
	w.shape("Y", o.Y, I32, dim(o.X, 0), 4)
	w.apart("X", o.X, o.Y)
	return w.err
}

func (o MaskBoxes) Cost() Cost {
	return Cost{FLOP: 6 * float64(o.X.Dim(0)) * float64(o.H) * float64(o.W), Bytes: bytesOf(o.X, o.Y)}
}

func (o CountAbove) Check() error {
	w := wish(o.Name())
	w.shape("X", o.X, F32, some, some)
	w.that(len(o.Thresholds) > 0, "no Thresholds")
	w.shape("Y", o.Y, I32, dim(o.X, 0), len(o.Thresholds))
	w.apart("X", o.X, o.Y)
	return w.err
}

func (o CountAbove) Cost() Cost {
	return Cost{FLOP: float64(o.X.Len() * len(o.Thresholds)), Bytes: bytesOf(o.X, o.Y)}
}

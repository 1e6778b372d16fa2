package kernels

// The ops on rows and elements. FLOP counts each arithmetic operation and each elementary function
// per element once; these ops are bound by the bytes they move.

// LayerNorm is Y = Act((X - mean)/sqrt(var + Eps) * Gamma + Beta) over the last axis, biased
// variance. Y may be X.
type LayerNorm struct {
	X           *Tensor // f32 [..., C]
	Gamma, Beta *Tensor // f32 [C]
	Eps         float32
	Act         Act
	Y           *Tensor // Product [..., C]
}

func (LayerNorm) Name() string { return "layer-norm" }

func (o LayerNorm) Operands() []Operand {
	return []Operand{
		{"X", o.X, In}, {"Gamma", o.Gamma, In}, {"Beta", o.Beta, In}, {"Y", o.Y, Out | Product},
	}
}

func (o LayerNorm) Check() error {
	want := check(o.Name())
	want.rows("X", o.X, F32, some)
	c := dim(o.X, -1)
	want.shape("Gamma", o.Gamma, F32, c)
	want.shape("Beta", o.Beta, F32, c)
	want.rows("Y", o.Y, operandTypes, c)
	want.size("Y", o.Y, operandTypes, length(o.X))
	want.vectors("Y", o.Y, c)
	want.that(o.Eps >= 0, "Eps is %g, want 0 or more", o.Eps)
	want.act(o.Act)
	want.inPlace("X", o.X, o.Y)
	want.apart("Gamma", o.Gamma, o.Y)
	want.apart("Beta", o.Beta, o.Y)
	return want.err
}

func (o LayerNorm) Cost() Cost {
	return Cost{FLOP: 8 * float64(o.X.Len()), Bytes: bytesOf(o)}
}

// Add is Y = A + Alpha B. A shorter B repeats over leading rows (its length divides Y's). Y may be
// A.
type Add struct {
	A, B  *Tensor // f32
	Alpha float32
	Y     *Tensor // f32, the length of A
}

func (Add) Name() string { return "add" }

func (o Add) Operands() []Operand {
	return []Operand{{"A", o.A, In}, {"B", o.B, In}, {"Y", o.Y, Out}}
}

func (o Add) Check() error {
	want := check(o.Name())
	want.size("A", o.A, F32, some)
	want.size("Y", o.Y, F32, length(o.A))
	want.size("B", o.B, F32, some)
	want.that(length(o.B) > 0 && length(o.Y)%max(length(o.B), 1) == 0,
		"B is %v, want a length that divides the %d elements of Y", describe(o.B), length(o.Y))
	want.inPlace("A", o.A, o.Y)
	want.inPlace("B", o.B, o.Y)
	return want.err
}

func (o Add) Cost() Cost {
	return Cost{FLOP: 2 * float64(o.Y.Len()), Bytes: bytesOf(o)}
}

// Activate is Y = Scale Act(X) + Bias. Y may be X.
type Activate struct {
	X           *Tensor // f32
	Act         Act
	Scale, Bias float32
	Y           *Tensor // f32
}

func (Activate) Name() string { return "activate" }

func (o Activate) Operands() []Operand {
	return []Operand{{"X", o.X, In}, {"Y", o.Y, Out}}
}

func (o Activate) Check() error {
	want := check(o.Name())
	want.size("X", o.X, F32, some)
	want.size("Y", o.Y, F32, length(o.X))
	want.act(o.Act)
	want.inPlace("X", o.X, o.Y)
	return want.err
}

func (o Activate) Cost() Cost {
	return Cost{FLOP: 3 * float64(o.X.Len()), Bytes: bytesOf(o)}
}

// Cast copies with a change of element type, rounding to nearest even: f32 to and from f16 and
// bf16, or a plain copy when the types agree (any type).
type Cast struct {
	X *Tensor
	Y *Tensor // same length
}

func (Cast) Name() string { return "cast" }

func (o Cast) Operands() []Operand {
	return []Operand{{"X", o.X, In}, {"Y", o.Y, Out}}
}

func (o Cast) Check() error {
	want := check(o.Name())
	want.that(o.X != nil, "X is missing")
	want.that(o.Y != nil, "Y is missing")
	if want.err != nil {
		return want.err
	}
	from, to := o.X.DType, o.Y.DType
	want.that(from == to || from == F32 && to.half() || from.half() && to == F32,
		"no cast from %v to %v", from, to)
	want.size("X", o.X, o.X.DType, some)
	want.size("Y", o.Y, o.Y.DType, o.X.Len())
	want.inPlace("X", o.X, o.Y)
	return want.err
}

func (o Cast) Cost() Cost {
	return Cost{FLOP: float64(o.X.Len()), Bytes: bytesOf(o)}
}

// Fill sets every element of an f32 tensor.
type Fill struct {
	Y     *Tensor
	Value float32
}

func (Fill) Name() string { return "fill" }

func (o Fill) Operands() []Operand {
	return []Operand{{"Y", o.Y, Out}}
}

func (o Fill) Check() error {
	want := check(o.Name())
	want.size("Y", o.Y, F32, some)
	return want.err
}

func (o Fill) Cost() Cost { return Cost{Bytes: bytesOf(o)} }

// CountAbove counts, for each row, the elements strictly above each threshold.
type CountAbove struct {
	X          *Tensor // f32 [N, M]
	Thresholds []float32
	Y          *Tensor // i32 [N, len(Thresholds)]
}

func (CountAbove) Name() string { return "count-above" }

func (o CountAbove) Operands() []Operand {
	return []Operand{{"X", o.X, In}, {"Y", o.Y, Out}}
}

func (o CountAbove) Check() error {
	want := check(o.Name())
	want.shape("X", o.X, F32, some, some)
	want.that(len(o.Thresholds) > 0, "no Thresholds")
	want.shape("Y", o.Y, I32, dim(o.X, 0), len(o.Thresholds))
	want.apart("X", o.X, o.Y)
	return want.err
}

func (o CountAbove) Cost() Cost {
	return Cost{FLOP: float64(o.X.Len() * len(o.Thresholds)), Bytes: bytesOf(o)}
}

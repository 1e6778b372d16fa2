package kernels

// Attention, and the rotation of queries and keys. Scores are never materialised in full: a
// streaming softmax runs over blocks of keys. FLOP counts 2 per multiply-add and leaves the softmax
// out.

// Attention is Y = softmax(Scale Q Kᵀ) V for each head. V may be narrower or wider than Q and K.
type Attention struct {
	Q     *Tensor // Product [Nq, Heads*d]
	K     *Tensor // Product [Nk, Heads*d]
	V     *Tensor // Product [Nk, Heads*dv]
	Heads int
	Scale float32
	Y     *Tensor // Product [Nq, Heads*dv]
}

func (Attention) Name() string { return "attention" }

func (o Attention) Operands() []Operand {
	return []Operand{
		{"Q", o.Q, In | Product | Multiplied}, {"K", o.K, In | Product | Multiplied},
		{"V", o.V, In | Product | Multiplied}, {"Y", o.Y, Out | Product},
	}
}

func (o Attention) Check() error {
	want := check(o.Name())
	want.that(o.Heads >= 1, "Heads is %d", o.Heads)
	want.shape("Q", o.Q, operandTypes, some, some)
	want.shape("K", o.K, operandTypes, some, dim(o.Q, 1))
	want.shape("V", o.V, operandTypes, dim(o.K, 0), some)
	want.shape("Y", o.Y, operandTypes, dim(o.Q, 0), dim(o.V, 1))
	for _, t := range o.Operands() {
		want.vectors(t.Name, t.T, dim(t.T, 1)/max(o.Heads, 1))
	}
	want.that(want.err != nil || o.Q.Dim(1)%o.Heads == 0 && o.V.Dim(1)%o.Heads == 0,
		"%d heads do not divide Q %v and V %v", o.Heads, describe(o.Q), describe(o.V))
	want.that(o.Scale > 0, "Scale is %g, want it positive", o.Scale)
	want.apart("Q", o.Q, o.Y)
	want.apart("K", o.K, o.Y)
	want.apart("V", o.V, o.Y)
	return want.err
}

func (o Attention) Cost() Cost {
	return Cost{
		FLOP:  2 * float64(o.Q.Dim(0)) * float64(o.K.Dim(0)) * float64(o.Q.Dim(1)+o.V.Dim(1)),
		Bytes: bytesOf(o),
	}
}

// WindowAttention is the attention of a Hiera block over windows of a map, read in place from the
// fused projection. The map is thought padded at the right and bottom to multiples of Window; a pad
// token has the projection of a zero input, PadQKV, takes part as key and value, and produces
// nothing. With Pool the queries are max-pooled 2x2 per channel inside each window first, and the
// result has half the height and width. The scale is 1/sqrt(C/Heads).
type WindowAttention struct {
	QKV    *Tensor // Product [B, H, W, 3*C]: q | k | v, each [Heads, C/Heads]
	PadQKV *Tensor // f32 [3*C], the projection's bias
	Heads  int
	Window int // 0: one window, the whole map
	Pool   bool
	Y      *Tensor // Product [B, H, W, C], halved by Pool
}

func (WindowAttention) Name() string { return "window-attention" }

func (o WindowAttention) Operands() []Operand {
	return []Operand{
		{"QKV", o.QKV, In | Product | Multiplied}, {"PadQKV", o.PadQKV, In},
		{"Y", o.Y, Out | Product},
	}
}

func (o WindowAttention) Check() error {
	want := check(o.Name())
	want.that(o.Heads >= 1, "Heads is %d", o.Heads)
	want.that(o.Window >= 0, "Window is %d", o.Window)
	want.shape("QKV", o.QKV, operandTypes, some, some, some, some)
	if want.err != nil {
		return want.err
	}
	b, h, wd, c := o.QKV.Dim(0), o.QKV.Dim(1), o.QKV.Dim(2), o.QKV.Dim(3)/3
	want.that(o.QKV.Dim(3)%(3*o.Heads) == 0, "QKV is %v, want 3*C channels with C a multiple of %d heads", describe(o.QKV), o.Heads)
	want.shape("PadQKV", o.PadQKV, F32, 3*c)
	if o.Pool {
		want.that(h%2 == 0 && wd%2 == 0 && o.Window%2 == 0,
			"Pool wants even sizes, QKV is %v and Window %d", describe(o.QKV), o.Window)
		h, wd = h/2, wd/2
	}
	want.shape("Y", o.Y, operandTypes, b, h, wd, c)
	want.vectors("QKV", o.QKV, c/o.Heads)
	want.vectors("Y", o.Y, c/o.Heads)
	want.apart("QKV", o.QKV, o.Y)
	want.apart("PadQKV", o.PadQKV, o.Y)
	return want.err
}

func (o WindowAttention) Cost() Cost {
	// Each query against every key of its window, pad tokens included.
	keys := o.Window * o.Window
	if o.Window == 0 {
		keys = o.QKV.Dim(1) * o.QKV.Dim(2)
	}
	return Cost{FLOP: 4 * float64(o.Y.Len()) * float64(keys), Bytes: float64(o.QKV.Bytes() + o.Y.Bytes())}
}

// RotaryAttention is Y = softmax(Scale Q Kᵀ) V of one head, where row n of K is X_n Wᵀ + Bias and
// the first rows turn with their place: X begins with Maps square maps whose keys are rotated as by
// RoPE, the first half of their channels by the angles of their column, the second half by those of
// their row. Place i has i times the angles of place 1. The rows behind the maps do not turn. Q has
// its rotation.
type RotaryAttention struct {
	Q        *Tensor // Product [Nq, D], D a multiple of 4
	X        *Tensor // Product [N, M]
	W        *Tensor // f32 [D, M], not packed
	Bias     *Tensor // f32 [D]
	Cos, Sin *Tensor // f32 [Side, D/4]: of the pairs of one half, by place
	Maps     int     // of Side x Side rows each
	V        *Tensor // Product [N, DV]
	Scale    float32
	Y        *Tensor // Product [Nq, DV]
}

func (RotaryAttention) Name() string { return "rotary-attention" }

func (o RotaryAttention) Operands() []Operand {
	return []Operand{
		{"Q", o.Q, In | Product | Multiplied}, {"X", o.X, In | Product | Multiplied},
		{"W", o.W, In | Multiplied}, {"Bias", o.Bias, In}, {"Cos", o.Cos, In}, {"Sin", o.Sin, In},
		{"V", o.V, In | Product | Multiplied}, {"Y", o.Y, Out | Product},
	}
}

func (o RotaryAttention) Check() error {
	want := check(o.Name())
	want.shape("Q", o.Q, operandTypes, some, some)
	want.shape("X", o.X, operandTypes, some, some)
	d, m, n := dim(o.Q, 1), dim(o.X, 1), dim(o.X, 0)
	want.that(d%4 == 0, "Q is %v, want a multiple of 4 channels", describe(o.Q))
	want.shape("W", o.W, F32, d, m)
	want.shape("Bias", o.Bias, F32, d)
	want.shape("Cos", o.Cos, F32, some, d/4)
	side := dim(o.Cos, 0)
	want.shape("Sin", o.Sin, F32, side, d/4)
	want.that(o.Maps >= 0 && o.Maps*side*side <= n, "Maps is %d, of %d rows each: X is %v", o.Maps, side*side, describe(o.X))
	want.shape("V", o.V, operandTypes, n, some)
	want.shape("Y", o.Y, operandTypes, dim(o.Q, 0), dim(o.V, 1))
	want.that(o.Scale > 0, "Scale is %g, want it positive", o.Scale)
	for _, t := range o.Operands() {
		if t.Role&Product != 0 {
			want.vectors(t.Name, t.T, dim(t.T, 1))
		}
	}
	for _, t := range o.Operands() {
		if t.Role&In != 0 {
			want.apart(t.Name, t.T, o.Y)
		}
	}
	return want.err
}

// Cost counts what it takes without keys: each query turned back and projected for every column and
// row, and once more for the rows that do not turn.
func (o RotaryAttention) Cost() Cost {
	d, m, turns := o.Q.Dim(1), o.X.Dim(1), o.Cos.Dim(0)
	if rest := o.X.Dim(0) - o.Maps*turns*turns; rest > 0 {
		turns++
	}
	return Cost{
		FLOP:  2 * float64(o.Q.Dim(0)) * float64(turns*d*m+o.X.Dim(0)*(m+o.V.Dim(1))),
		Bytes: bytesOf(o),
	}
}

// RoPE rotates adjacent channel pairs (2j, 2j+1) of row r by the angle whose cosine and sine are in
// row r mod P of the tables, for the first Rows rows, and copies the others. Y may be X.
type RoPE struct {
	X    *Tensor // Product [N, D]
	Cos  *Tensor // f32 [P, D/2]
	Sin  *Tensor // f32 [P, D/2]
	Rows int
	Y    *Tensor // Product [N, D]
}

func (RoPE) Name() string { return "rope" }

func (o RoPE) Operands() []Operand {
	return []Operand{
		{"X", o.X, In | Product}, {"Cos", o.Cos, In}, {"Sin", o.Sin, In}, {"Y", o.Y, Out | Product},
	}
}

func (o RoPE) Check() error {
	want := check(o.Name())
	want.shape("X", o.X, operandTypes, some, some)
	n, d := dim(o.X, 0), dim(o.X, 1)
	want.vectors("X", o.X, d)
	want.vectors("Y", o.Y, d)
	want.that(d%2 == 0, "X is %v, want an even number of channels", describe(o.X))
	want.that(o.Rows >= 0 && o.Rows <= n, "Rows is %d, want at most the %d of X", o.Rows, n)
	want.shape("Cos", o.Cos, F32, some, d/2)
	want.shape("Sin", o.Sin, F32, dim(o.Cos, 0), d/2)
	want.shape("Y", o.Y, operandTypes, n, d)
	want.inPlace("X", o.X, o.Y)
	want.apart("Cos", o.Cos, o.Y)
	want.apart("Sin", o.Sin, o.Y)
	return want.err
}

func (o RoPE) Cost() Cost {
	return Cost{FLOP: 3 * float64(o.Rows*o.X.Dim(1)), Bytes: bytesOf(o)}
}

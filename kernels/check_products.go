package kernels

// The checks and costs of products and attention. FLOP counts 2 per multiply-add of the products and leaves the
// softmax and the epilogues out, so that GFLOP/s can be held against the machine's peak.

func (Linear) Name() string          { return "linear" }
func (MatMulNT) Name() string        { return "matmul-nt" }
func (Conv2D) Name() string          { return "conv2d" }
func (DepthwiseConv) Name() string   { return "depthwise-conv" }
func (UpConv) Name() string          { return "up-conv" }
func (Attention) Name() string       { return "attention" }
func (WindowAttention) Name() string { return "window-attention" }
func (RotaryAttention) Name() string { return "rotary-attention" }
func (RoPE) Name() string            { return "rope" }

func (o Linear) Check() error {
	w := wish(o.Name())
	w.rows("X", o.X, factors, some)
	k, n := dim(o.X, -1), dim(o.W, 0)
	w.vectors("X", o.X, k)
	w.packed("W", o.W, some, k)
	w.bias("Bias", o.Bias, n)
	w.rows("Y", o.Y, factors, n)
	w.vectors("Y", o.Y, n)
	w.that(w.err != nil || o.Y.Rows() == o.X.Rows(), "Y is %v, want the rows of X, %v", describe(o.Y), describe(o.X))
	w.residual("Res", o.Res, o.Y)
	w.that(w.err != nil || o.Res == nil || o.Res.Len()%n == 0, "Res is %v, want whole rows of %d", describe(o.Res), n)
	w.act(o.Act)
	w.apart("X", o.X, o.Y)
	w.apart("Bias", o.Bias, o.Y)
	return w.err
}

func (o Linear) Cost() Cost {
	return Cost{FLOP: 2 * float64(o.X.Len()) * float64(o.W.Dim(0)), Bytes: bytesOf(o.X, o.W, o.Bias, o.Res, o.Y)}
}

func (o MatMulNT) Check() error {
	w := wish(o.Name())
	w.shape("A", o.A, F32, some, some)
	w.shape("B", o.B, F32, some, dim(o.A, 1))
	w.shape("Y", o.Y, F32, dim(o.A, 0), dim(o.B, 0))
	w.apart("A", o.A, o.Y)
	w.apart("B", o.B, o.Y)
	return w.err
}

func (o MatMulNT) Cost() Cost {
	return Cost{FLOP: 2 * float64(o.A.Len()) * float64(o.B.Dim(0)), Bytes: bytesOf(o.A, o.B, o.Y)}
}

func (o Conv2D) Check() error {
	w := wish(o.Name())
	w.shape("X", o.X, F32, some, some, some, some)
	w.that(o.Kernel >= 1 && o.Stride >= 1 && o.Pad >= 0 && o.Pad < o.Kernel,
		"Kernel %d, Stride %d, Pad %d, want Kernel and Stride at least 1 and Pad from 0 to Kernel-1", o.Kernel, o.Stride, o.Pad)
	if w.err != nil {
		return w.err
	}
	h, wd := o.X.Dim(1)+2*o.Pad-o.Kernel, o.X.Dim(2)+2*o.Pad-o.Kernel
	w.that(h >= 0 && wd >= 0, "X is %v, smaller than the kernel of %d with padding %d", describe(o.X), o.Kernel, o.Pad)
	n := dim(o.W, 0)
	w.packed("W", o.W, some, o.Kernel*o.Kernel*o.X.Dim(3))
	w.bias("Bias", o.Bias, n)
	w.shape("Y", o.Y, F32, o.X.Dim(0), h/o.Stride+1, wd/o.Stride+1, n)
	w.residual("Res", o.Res, o.Y)
	w.that(w.err != nil || o.Res == nil || o.Res.Len()%n == 0, "Res is %v, want whole pixels of %d", describe(o.Res), n)
	w.act(o.Act)
	w.apart("X", o.X, o.Y)
	w.apart("Bias", o.Bias, o.Y)
	return w.err
}

func (o Conv2D) Cost() Cost {
	return Cost{
		FLOP:  2 * float64(o.Y.Len()) * float64(o.W.Dim(1)),
		Bytes: bytesOf(o.X, o.W, o.Bias, o.Res, o.Y),
	}
}

func (o DepthwiseConv) Check() error {
	w := wish(o.Name())
	w.shape("X", o.X, F32, some, some, some, some)
	w.that(o.Kernel >= 1 && o.Kernel%2 == 1, "Kernel is %d, want an odd one", o.Kernel)
	c := dim(o.X, 3)
	w.shape("W", o.W, F32, o.Kernel, o.Kernel, c)
	w.shape("Bias", o.Bias, F32, c)
	w.shape("Y", o.Y, F32, dim(o.X, 0), dim(o.X, 1), dim(o.X, 2), c)
	w.apart("X", o.X, o.Y)
	w.apart("W", o.W, o.Y)
	w.apart("Bias", o.Bias, o.Y)
	return w.err
}

func (o DepthwiseConv) Cost() Cost {
	return Cost{
		FLOP:  2 * float64(o.Y.Len()) * float64(o.Kernel*o.Kernel),
		Bytes: bytesOf(o.X, o.W, o.Bias, o.Y),
	}
}

func (o UpConv) Check() error {
	w := wish(o.Name())
	w.shape("X", o.X, F32, some, some, some, some)
	w.packed("W", o.W, some, dim(o.X, 3))
	n := dim(o.W, 0) / 4
	w.that(dim(o.W, 0)%4 == 0, "W is %v, want a multiple of 4 rows", describe(o.W))
	w.shape("Bias", o.Bias, F32, n)
	w.shape("Y", o.Y, F32, dim(o.X, 0), 2*dim(o.X, 1), 2*dim(o.X, 2), n)
	if o.Res != nil {
		w.size("Res", o.Res, F32, length(o.Y))
	}
	w.residual("Res", o.Res, o.Y)
	w.act(o.Act)
	w.apart("X", o.X, o.Y)
	w.apart("Bias", o.Bias, o.Y)
	return w.err
}

func (o UpConv) Cost() Cost {
	return Cost{FLOP: 2 * float64(o.X.Len()) * float64(o.W.Dim(0)), Bytes: bytesOf(o.X, o.W, o.Bias, o.Res, o.Y)}
}

func (o Attention) Check() error {
	w := wish(o.Name())
	w.that(o.Heads >= 1, "Heads is %d", o.Heads)
	w.shape("Q", o.Q, factors, some, some)
	w.shape("K", o.K, factors, some, dim(o.Q, 1))
	w.shape("V", o.V, factors, dim(o.K, 0), some)
	w.shape("Y", o.Y, factors, dim(o.Q, 0), dim(o.V, 1))
	for _, t := range []struct {
		operand string
		*Tensor
	}{{"Q", o.Q}, {"K", o.K}, {"V", o.V}, {"Y", o.Y}} {
		w.vectors(t.operand, t.Tensor, dim(t.Tensor, 1)/max(o.Heads, 1))
	}
	w.that(w.err != nil || o.Q.Dim(1)%o.Heads == 0 && o.V.Dim(1)%o.Heads == 0,
		"%d heads do not divide Q %v and V %v", o.Heads, describe(o.Q), describe(o.V))
	w.that(o.Scale > 0, "Scale is %g, want it positive", o.Scale)
	w.apart("Q", o.Q, o.Y)
	w.apart("K", o.K, o.Y)
	w.apart("V", o.V, o.Y)
	return w.err
}

func (o Attention) Cost() Cost {
	return Cost{
		FLOP:  2 * float64(o.Q.Dim(0)) * float64(o.K.Dim(0)) * float64(o.Q.Dim(1)+o.V.Dim(1)),
		Bytes: bytesOf(o.Q, o.K, o.V, o.Y),
	}
}

func (o WindowAttention) Check() error {
	w := wish(o.Name())
	w.that(o.Heads >= 1, "Heads is %d", o.Heads)
	w.that(o.Window >= 0, "Window is %d", o.Window)
	w.shape("QKV", o.QKV, factors, some, some, some, some)
	if w.err != nil {
		return w.err
	}
	b, h, wd, c := o.QKV.Dim(0), o.QKV.Dim(1), o.QKV.Dim(2), o.QKV.Dim(3)/3
	w.that(o.QKV.Dim(3)%(3*o.Heads) == 0, "QKV is %v, want 3*C channels with C a multiple of %d heads", describe(o.QKV), o.Heads)
	w.shape("PadQKV", o.PadQKV, F32, 3*c)
	if o.Pool {
		w.that(h%2 == 0 && wd%2 == 0 && o.Window%2 == 0,
			"Pool wants even sizes, QKV is %v and Window %d", describe(o.QKV), o.Window)
		h, wd = h/2, wd/2
	}
	w.shape("Y", o.Y, factors, b, h, wd, c)
	w.vectors("QKV", o.QKV, c/o.Heads)
	w.vectors("Y", o.Y, c/o.Heads)
	w.apart("QKV", o.QKV, o.Y)
	w.apart("PadQKV", o.PadQKV, o.Y)
	return w.err
}

func (o WindowAttention) Cost() Cost {
	// Each query against every key of its window, pad tokens included.
	keys := o.Window * o.Window
	if o.Window == 0 {
		keys = o.QKV.Dim(1) * o.QKV.Dim(2)
	}
	return Cost{FLOP: 4 * float64(o.Y.Len()) * float64(keys), Bytes: bytesOf(o.QKV, o.Y)}
}

func (o RotaryAttention) Check() error {
	w := wish(o.Name())
	w.shape("Q", o.Q, factors, some, some)
	w.shape("X", o.X, factors, some, some)
	d, m, n := dim(o.Q, 1), dim(o.X, 1), dim(o.X, 0)
	w.that(d%4 == 0, "Q is %v, want a multiple of 4 channels", describe(o.Q))
	w.shape("W", o.W, F32, d, m)
	w.shape("Bias", o.Bias, F32, d)
	w.shape("Cos", o.Cos, F32, some, d/4)
	side := dim(o.Cos, 0)
	w.shape("Sin", o.Sin, F32, side, d/4)
	w.that(o.Maps >= 0 && o.Maps*side*side <= n, "Maps is %d, of %d rows each: X is %v", o.Maps, side*side, describe(o.X))
	w.shape("V", o.V, factors, n, some)
	w.shape("Y", o.Y, factors, dim(o.Q, 0), dim(o.V, 1))
	w.that(o.Scale > 0, "Scale is %g, want it positive", o.Scale)
	for _, t := range []struct {
		operand string
		*Tensor
	}{{"Q", o.Q}, {"X", o.X}, {"V", o.V}, {"Y", o.Y}} {
		w.vectors(t.operand, t.Tensor, dim(t.Tensor, 1))
	}
	for _, t := range []struct {
		operand string
		*Tensor
	}{{"Q", o.Q}, {"X", o.X}, {"W", o.W}, {"Bias", o.Bias}, {"Cos", o.Cos}, {"Sin", o.Sin}, {"V", o.V}} {
		w.apart(t.operand, t.Tensor, o.Y)
	}
	return w.err
}

// Cost counts what it takes without keys: each query turned back and projected for every column and row, and once more
// for the rows that do not turn.
func (o RotaryAttention) Cost() Cost {
	d, m, turns := o.Q.Dim(1), o.X.Dim(1), o.Cos.Dim(0)
	if rest := o.X.Dim(0) - o.Maps*turns*turns; rest > 0 {
		turns++
	}
	return Cost{
		FLOP:  2 * float64(o.Q.Dim(0)) * float64(turns*d*m+o.X.Dim(0)*(m+o.V.Dim(1))),
		Bytes: bytesOf(o.Q, o.X, o.W, o.Bias, o.Cos, o.Sin, o.V, o.Y),
	}
}

func (o RoPE) Check() error {
	w := wish(o.Name())
	w.shape("X", o.X, factors, some, some)
	n, d := dim(o.X, 0), dim(o.X, 1)
	w.vectors("X", o.X, d)
	w.vectors("Y", o.Y, d)
	w.that(d%2 == 0, "X is %v, want an even number of channels", describe(o.X))
	w.that(o.Rows >= 0 && o.Rows <= n, "Rows is %d, want at most the %d of X", o.Rows, n)
	w.shape("Cos", o.Cos, F32, some, d/2)
	w.shape("Sin", o.Sin, F32, dim(o.Cos, 0), d/2)
	w.shape("Y", o.Y, factors, n, d)
	w.inPlace("X", o.X, o.Y)
	w.apart("Cos", o.Cos, o.Y)
	w.apart("Sin", o.Sin, o.Y)
	return w.err
}

func (o RoPE) Cost() Cost {
	return Cost{FLOP: 3 * float64(o.Rows*o.X.Dim(1)), Bytes: bytesOf(o.X, o.Cos, o.Sin, o.Y)}
}

// bias wants nil or [n].
func (w *wishes) bias(operand string, b *Tensor, n int) {
	if b != nil {
		w.shape(operand, b, F32, n)
	}
}

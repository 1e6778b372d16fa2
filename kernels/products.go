package kernels

// Products and convolutions. Each row of the result is a sequence of fused multiply-adds in the
// order of K, the same for any number of rows, batch size and thread count. FLOP counts 2 per
// multiply-add and leaves the epilogues out, so that GFLOP/s can be held against the machine's
// peak.

// Linear is Y = Act(X Wᵀ + Bias + Res).
type Linear struct {
	X    *Tensor // Product [..., K]
	W    *Tensor // packed [N, K]
	Bias *Tensor // f32 [N], or nil
	Res  *Tensor // f32, nil, or a residual of Y's length; a shorter one repeats over leading rows (length divides Y's). May be Y
	Act  Act
	Y    *Tensor // Product [..., N]
}

func (Linear) Name() string { return "linear" }

func (o Linear) Operands() []Operand {
	return []Operand{
		{"X", o.X, In | Product | Multiplied}, {"W", o.W, In | Multiplied}, {"Bias", o.Bias, In},
		{"Res", o.Res, In}, {"Y", o.Y, Out | Product},
	}
}

func (o Linear) Check() error {
	want := check(o.Name())
	want.rows("X", o.X, operandTypes, some)
	k, n := dim(o.X, -1), dim(o.W, 0)
	want.vectors("X", o.X, k)
	want.packed("W", o.W, some, k)
	want.bias("Bias", o.Bias, n)
	want.rows("Y", o.Y, operandTypes, n)
	want.vectors("Y", o.Y, n)
	want.that(want.err != nil || o.Y.Rows() == o.X.Rows(), "Y is %v, want the rows of X, %v", describe(o.Y), describe(o.X))
	want.residual("Res", o.Res, o.Y)
	want.that(want.err != nil || o.Res == nil || o.Res.Len()%n == 0, "Res is %v, want whole rows of %d", describe(o.Res), n)
	want.act(o.Act)
	want.apart("X", o.X, o.Y)
	want.apart("Bias", o.Bias, o.Y)
	return want.err
}

func (o Linear) Cost() Cost {
	return Cost{FLOP: 2 * float64(o.X.Len()) * float64(o.W.Dim(0)), Bytes: bytesOf(o)}
}

// MatMulNT is Y = A Bᵀ for two activations, multiplied in float32 on every device.
type MatMulNT struct {
	A *Tensor // f32 [M, K]
	B *Tensor // f32 [N, K]
	Y *Tensor // f32 [M, N]
}

func (MatMulNT) Name() string { return "matmul-nt" }

func (o MatMulNT) Operands() []Operand {
	return []Operand{{"A", o.A, In}, {"B", o.B, In}, {"Y", o.Y, Out}}
}

func (o MatMulNT) Check() error {
	want := check(o.Name())
	want.shape("A", o.A, F32, some, some)
	want.shape("B", o.B, F32, some, dim(o.A, 1))
	want.shape("Y", o.Y, F32, dim(o.A, 0), dim(o.B, 0))
	want.apart("A", o.A, o.Y)
	want.apart("B", o.B, o.Y)
	return want.err
}

func (o MatMulNT) Cost() Cost {
	return Cost{FLOP: 2 * float64(o.A.Len()) * float64(o.B.Dim(0)), Bytes: bytesOf(o)}
}

// Conv2D is Y = Act(conv(X, W) + Bias), square kernel, zero padding.
type Conv2D struct {
	X           *Tensor // f32 [B, H, W, C]
	W           *Tensor // packed [N, Kernel*Kernel*C], ordered (ky, kx, c)
	Bias        *Tensor // f32 [N], or nil
	Res         *Tensor // f32, as in Linear
	Kernel      int
	Stride, Pad int
	Act         Act
	Y           *Tensor // f32 [B, H', W', N], H' = (H + 2 Pad - Kernel)/Stride + 1
}

func (Conv2D) Name() string { return "conv2d" }

func (o Conv2D) Operands() []Operand {
	return []Operand{
		{"X", o.X, In | Multiplied}, {"W", o.W, In | Multiplied}, {"Bias", o.Bias, In},
		{"Res", o.Res, In}, {"Y", o.Y, Out},
	}
}

func (o Conv2D) Check() error {
	want := check(o.Name())
	want.shape("X", o.X, F32, some, some, some, some)
	want.that(o.Kernel >= 1 && o.Stride >= 1 && o.Pad >= 0 && o.Pad < o.Kernel,
		"Kernel %d, Stride %d, Pad %d, want Kernel and Stride at least 1 and Pad from 0 to Kernel-1", o.Kernel, o.Stride, o.Pad)
	if want.err != nil {
		return want.err
	}
	h, wd := o.X.Dim(1)+2*o.Pad-o.Kernel, o.X.Dim(2)+2*o.Pad-o.Kernel
	want.that(h >= 0 && wd >= 0, "X is %v, smaller than the kernel of %d with padding %d", describe(o.X), o.Kernel, o.Pad)
	n := dim(o.W, 0)
	want.packed("W", o.W, some, o.Kernel*o.Kernel*o.X.Dim(3))
	want.bias("Bias", o.Bias, n)
	want.shape("Y", o.Y, F32, o.X.Dim(0), h/o.Stride+1, wd/o.Stride+1, n)
	want.residual("Res", o.Res, o.Y)
	want.that(want.err != nil || o.Res == nil || o.Res.Len()%n == 0, "Res is %v, want whole pixels of %d", describe(o.Res), n)
	want.act(o.Act)
	want.apart("X", o.X, o.Y)
	want.apart("Bias", o.Bias, o.Y)
	return want.err
}

func (o Conv2D) Cost() Cost {
	return Cost{
		FLOP:  2 * float64(o.Y.Len()) * float64(o.W.Dim(1)),
		Bytes: bytesOf(o),
	}
}

// DepthwiseConv is a stride-1 convolution of each channel with its own kernel, zero padding, same
// size.
type DepthwiseConv struct {
	X      *Tensor // f32 [B, H, W, C]
	W      *Tensor // f32 [Kernel, Kernel, C]
	Bias   *Tensor // f32 [C]
	Kernel int     // odd; padding is Kernel/2
	Y      *Tensor // f32 [B, H, W, C]
}

func (DepthwiseConv) Name() string { return "depthwise-conv" }

func (o DepthwiseConv) Operands() []Operand {
	return []Operand{{"X", o.X, In}, {"W", o.W, In}, {"Bias", o.Bias, In}, {"Y", o.Y, Out}}
}

func (o DepthwiseConv) Check() error {
	want := check(o.Name())
	want.shape("X", o.X, F32, some, some, some, some)
	want.that(o.Kernel >= 1 && o.Kernel%2 == 1, "Kernel is %d, want an odd one", o.Kernel)
	c := dim(o.X, 3)
	want.shape("W", o.W, F32, o.Kernel, o.Kernel, c)
	want.shape("Bias", o.Bias, F32, c)
	want.shape("Y", o.Y, F32, dim(o.X, 0), dim(o.X, 1), dim(o.X, 2), c)
	want.apart("X", o.X, o.Y)
	want.apart("W", o.W, o.Y)
	want.apart("Bias", o.Bias, o.Y)
	return want.err
}

func (o DepthwiseConv) Cost() Cost {
	return Cost{
		FLOP:  2 * float64(o.Y.Len()) * float64(o.Kernel*o.Kernel),
		Bytes: bytesOf(o),
	}
}

// UpConv is a transposed convolution with kernel 2 and stride 2: Y = Act(convT(X, W) + Bias + Res).
type UpConv struct {
	X    *Tensor // f32 [B, H, W, C]
	W    *Tensor // packed [4*N, C], ordered (dy, dx, n)
	Bias *Tensor // f32 [N]
	Res  *Tensor // f32 [B, 2H, 2W, N], or nil
	Act  Act
	Y    *Tensor // f32 [B, 2H, 2W, N]
}

func (UpConv) Name() string { return "up-conv" }

func (o UpConv) Operands() []Operand {
	return []Operand{
		{"X", o.X, In | Multiplied}, {"W", o.W, In | Multiplied}, {"Bias", o.Bias, In},
		{"Res", o.Res, In}, {"Y", o.Y, Out},
	}
}

func (o UpConv) Check() error {
	want := check(o.Name())
	want.shape("X", o.X, F32, some, some, some, some)
	want.packed("W", o.W, some, dim(o.X, 3))
	n := dim(o.W, 0) / 4
	want.that(dim(o.W, 0)%4 == 0, "W is %v, want a multiple of 4 rows", describe(o.W))
	want.shape("Bias", o.Bias, F32, n)
	want.shape("Y", o.Y, F32, dim(o.X, 0), 2*dim(o.X, 1), 2*dim(o.X, 2), n)
	if o.Res != nil {
		want.size("Res", o.Res, F32, length(o.Y))
	}
	want.residual("Res", o.Res, o.Y)
	want.act(o.Act)
	want.apart("X", o.X, o.Y)
	want.apart("Bias", o.Bias, o.Y)
	return want.err
}

func (o UpConv) Cost() Cost {
	return Cost{FLOP: 2 * float64(o.X.Len()) * float64(o.W.Dim(0)), Bytes: bytesOf(o)}
}

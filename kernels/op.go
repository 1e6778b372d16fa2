package kernels

// Op is one operation: its operands and parameters as plain data. A device carries it out in Do.
// Check refuses wrong shapes, types and layouts with an error that names the operand, and touches no memory.
// Cost counts the work for benchmarks and dry runs.
type Op interface {
	Name() string
	Check() error
	Cost() Cost
}

// Cost is the work of an op: floating point operations (2 per multiply-add of products) and the bytes that must
// move if every operand is read or written once.
type Cost struct {
	FLOP  float64
	Bytes float64
}

// Act is an elementwise function applied to a result.
type Act uint8

const (
	None    Act = iota
	ReLU        // max(x, 0)
	GELU        // x/2 (1 + erf(x/sqrt 2)), the exact form
	Sigmoid     // 1 / (1 + exp(-x))
	Step        // 1 if x > 0, else 0
)

// Operands are float32 but for those called factors, which a device that is a Narrower may have in 16 bits. Rows of 16-bit
// elements, and heads in them, are multiples of 8, so that each is whole vectors of 16 bytes.

// Products. Each row of the result is a sequence of fused multiply-adds in the order of K, the same for any
// number of rows, batch size and thread count.

// Linear is Y = Act(X Wᵀ + Bias + Res).
type Linear struct {
	X    *Tensor // factors [..., K]
	W    *Tensor // packed [N, K]
	Bias *Tensor // f32 [N], or nil
	Res  *Tensor // f32, nil, or a residual of Y's length; a shorter one repeats over leading rows (length divides Y's). May be Y
	Act  Act
	Y    *Tensor // factors [..., N]
}

// MatMulNT is Y = A Bᵀ for two activations.
type MatMulNT struct {
	A *Tensor // f32 [M, K]
	B *Tensor // f32 [N, K]
	Y *Tensor // f32 [M, N]
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

// DepthwiseConv is a stride-1 convolution of each channel with its own kernel, zero padding, same size.
type DepthwiseConv struct {
	X      *Tensor // f32 [B, H, W, C]
	W      *Tensor // f32 [Kernel, Kernel, C]
	Bias   *Tensor // f32 [C]
	Kernel int     // odd; padding is Kernel/2
	Y      *Tensor // f32 [B, H, W, C]
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

// Attention. Scores are never materialised in full: a streaming softmax runs over blocks of keys.

// Attention is Y = softmax(Scale Q Kᵀ) V for each head. V may be narrower or wider than Q and K.
type Attention struct {
	Q     *Tensor // factors [Nq, Heads*d]
	K     *Tensor // factors [Nk, Heads*d]
	V     *Tensor // factors [Nk, Heads*dv]
	Heads int
	Scale float32
	Y     *Tensor // factors [Nq, Heads*dv]
}

// WindowAttention is the attention of a Hiera block over windows of a map, read in place from the fused
// projection. The map is thought padded at the right and bottom to multiples of Window; a pad token has the
// projection of a zero input, PadQKV, takes part as key and value, and produces nothing. With Pool the queries
// are max-pooled 2x2 per channel inside each window first, and the result has half the height and width.
// The scale is 1/sqrt(C/Heads).
type WindowAttention struct {
	QKV    *Tensor // factors [B, H, W, 3*C]: q | k | v, each [Heads, C/Heads]
	PadQKV *Tensor // f32 [3*C], the projection's bias
	Heads  int
	Window int // 0: one window, the whole map
	Pool   bool
	Y      *Tensor // factors [B, H, W, C], halved by Pool
}

// RotaryAttention is Y = softmax(Scale Q Kᵀ) V of one head, where row n of K is X_n Wᵀ + Bias and the first rows turn with
// their place: X begins with Maps square maps whose keys are rotated as by RoPE, the first half of their channels by the
// angles of their column, the second half by those of their row. Place i has i times the angles of place 1. The rows behind the
// maps do not turn. Q has its rotation.
type RotaryAttention struct {
	Q        *Tensor // factors [Nq, D], D a multiple of 4
	X        *Tensor // factors [N, M]
	W        *Tensor // f32 [D, M], not packed
	Bias     *Tensor // f32 [D]
	Cos, Sin *Tensor // f32 [Side, D/4]: of the pairs of one half, by place
	Maps     int     // of Side x Side rows each
	V        *Tensor // factors [N, DV]
	Scale    float32
	Y        *Tensor // factors [Nq, DV]
}

// RoPE rotates adjacent channel pairs (2j, 2j+1) of row r by the angle whose cosine and sine are in row r mod P
// of the tables, for the first Rows rows, and copies the others. Y may be X.
type RoPE struct {
	X    *Tensor // factors [N, D]
	Cos  *Tensor // f32 [P, D/2]
	Sin  *Tensor // f32 [P, D/2]
	Rows int
	Y    *Tensor // factors [N, D]
}

// Elementwise and rows.

// LayerNorm is Y = Act((X - mean)/sqrt(var + Eps) * Gamma + Beta) over the last axis, biased variance. Y may be X.
type LayerNorm struct {
	X           *Tensor // f32 [..., C]
	Gamma, Beta *Tensor // f32 [C]
	Eps         float32
	Act         Act
	Y           *Tensor // factors [..., C]
}

// Add is Y = A + Alpha B. A shorter B repeats over leading rows (its length divides Y's). Y may be A.
type Add struct {
	A, B  *Tensor // f32
	Alpha float32
	Y     *Tensor // f32, the length of A
}

// Activate is Y = Scale Act(X) + Bias. Y may be X.
type Activate struct {
	X           *Tensor // f32
	Act         Act
	Scale, Bias float32
	Y           *Tensor // f32
}

// Cast copies with a change of element type, rounding to nearest even: f32 to and from f16 and bf16, or a plain
// copy when the types agree (any type).
type Cast struct {
	X *Tensor
	Y *Tensor // same length
}

// Fill sets every element of an f32 tensor.
type Fill struct {
	Y     *Tensor
	Value float32
}

// Maps.

// MaxPool is the 2x2 maximum with stride 2, per channel.
type MaxPool struct {
	X *Tensor // f32 [B, H, W, C], H and W even
	Y *Tensor // f32 [B, H/2, W/2, C]
}

// UpsampleAdd is Y = X + nearest-neighbour doubling of Top. Y may be X.
type UpsampleAdd struct {
	X   *Tensor // f32 [B, H, W, C]
	Top *Tensor // f32 [B, H/2, W/2, C]
	Y   *Tensor // f32 [B, H, W, C]
}

// Resize is bilinear interpolation of planes with half-pixel centres (align_corners=false). The source coordinate is computed
// in float32, as the reference does. With Antialias the triangle widens by the scale when shrinking.
type Resize struct {
	X         *Tensor // f32 [N, h, w]
	Y         *Tensor // f32 [N, H, W]
	Antialias bool
}

// Preprocess makes the network's input from an RGB picture: Pillow's antialiased bicubic stretch to S x S with its
// fixed-point arithmetic and 8-bit rounding after each of its two passes, bit for bit, then (v/255 - Mean)/Std.
type Preprocess struct {
	X         *Tensor // u8 [H, W, 3]
	Mean, Std [3]float32
	Y         *Tensor // f32 [S, S, 3]
}

// MaskBoxes finds, for each plane of logits, the box of the pixels > 0 after bilinear enlargement to H x W:
// xmin, ymin, xmax, ymax, all inclusive, and 0, 0, 0, 0 where there are none.
type MaskBoxes struct {
	X    *Tensor // f32 [N, h, w]
	H, W int
	Y    *Tensor // i32 [N, 4]
}

// CountAbove counts, for each row, the elements strictly above each threshold.
type CountAbove struct {
	X          *Tensor // f32 [N, M]
	Thresholds []float32
	Y          *Tensor // i32 [N, len(Thresholds)]
}

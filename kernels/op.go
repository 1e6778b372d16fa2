package kernels

// Op is one operation: its operands and parameters as plain data. A device carries it out in Do.
//
// Operands says what the op reads and writes, field by field, in the order of the fields. Check
// refuses wrong shapes, types and layouts with an error that names the operand, and touches no
// memory. Cost counts the work for benchmarks and dry runs.
//
// The ops are in products.go, attention.go, rows.go and maps.go.
type Op interface {
	Name() string
	Operands() []Operand
	Check() error
	Cost() Cost
}

// Operand is one tensor of an op.
type Operand struct {
	Name string  // of the field that holds it
	T    *Tensor // nil where it is optional and left out
	Role Role
}

// Role says what an op does with an operand.
type Role uint8

const (
	In  Role = 1 << iota // read
	Out                  // written; every op has one result

	// Product operands may be stored in 16 bits, in the type that a HalfPrecision device multiplies
	// in. Rows of 16-bit elements, and heads in them, are multiples of 8, so that each is whole
	// vectors of 16 bytes. All other operands are float32 unless their field says otherwise.
	Product

	// Multiplied operands are rounded to 16 bits by a device that multiplies in them, if they are
	// not stored so. Packed weights are rounded by Pack.
	Multiplied
)

// Result returns the tensor that an op writes.
func Result(op Op) *Tensor {
	for _, o := range op.Operands() {
		if o.Role&Out != 0 {
			return o.T
		}
	}
	return nil
}

// HasHalf reports whether an operand that could be float32 is stored in 16 bits. The operands of
// Cast are of the type that they are cast from and to, and do not count.
func HasHalf(op Op) bool {
	for _, o := range op.Operands() {
		if o.Role&Product != 0 && o.T != nil && o.T.DType.half() {
			return true
		}
	}
	return false
}

// Cost is the work of an op: floating point operations (2 per multiply-add of products) and the
// bytes that must move if every operand is read or written once.
type Cost struct {
	FLOP  float64
	Bytes float64
}

// bytesOf sums the bytes of the operands of an op.
func bytesOf(op Op) float64 {
	var n float64
	for _, o := range op.Operands() {
		if o.T != nil {
			n += float64(o.T.Bytes())
		}
	}
	return n
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

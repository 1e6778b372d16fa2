package kernels

// Scope owns the temporaries of one computation on one device and keeps its first error. After an
// error every call returns at once and New returns a tensor without memory, so a forward pass is
// written without checks and asks once, at Close. A Scope is used by one goroutine.
//
// An Arena's workspace is the scope's from its beginning to Close.
//
// Where the device is a Batcher, ops are handed to it together: before anything crosses to the host
// or from it, before results are kept, and at Err and Close. So inside a scope uploads and
// downloads go through the scope.
type Scope struct {
	Dev         Device
	arena       *Arena   // nil where results and temporaries are the device's own
	batch       Batch    // nil where the device takes ops one by one
	borrower    Borrower // nil where no op borrows
	operandType DType
	temps       map[*Tensor]struct{}
	err         error
}

// NewScope returns an empty scope on a device. Close it with a defer.
func NewScope(d Device) *Scope {
	s := &Scope{Dev: d, operandType: OperandType(d), temps: map[*Tensor]struct{}{}}
	if b, ok := Find[Batcher](d); ok {
		s.batch = b.Batch()
	}
	s.borrower, _ = Find[Borrower](d)
	if s.arena, _ = Find[*Arena](d); s.arena != nil {
		s.arena.Enter()
	}
	return s
}

// flush queues the ops so far.
func (s *Scope) flush() {
	if s.batch == nil {
		return
	}
	if err := s.batch.Flush(); s.err == nil {
		s.err = err
	}
}

// New returns a temporary, freed at Close unless kept or freed before.
func (s *Scope) New(dt DType, shape ...int) *Tensor {
	if s.err == nil {
		t, err := s.Dev.Alloc(dt, shape...)
		if err == nil {
			s.temps[t] = struct{}{}
			return t
		}
		s.err = err
	}
	return &Tensor{DType: dt, Shape: shape}
}

// Result returns a tensor that Keep will hand to the caller. On an Arena it comes from the memory
// of results, which outlive a computation.
func (s *Scope) Result(dt DType, shape ...int) *Tensor {
	if s.arena == nil || s.err != nil {
		return s.New(dt, shape...)
	}
	t, err := s.arena.AllocResult(dt, shape...)
	if err != nil {
		s.err = err
		return &Tensor{DType: dt, Shape: shape}
	}
	s.temps[t] = struct{}{}
	return t
}

// F32 is New for the usual element type.
func (s *Scope) F32(shape ...int) *Tensor { return s.New(F32, shape...) }

// OperandType returns the type in which the device prefers to store Product operands.
func (s *Scope) OperandType() DType { return s.operandType }

// fewRows are not worth rounding.
const fewRows = 32

// Operand allocates a temporary that is only ever read by matrix products: in the device's operand
// type if rows, and heads in them, are multiples of 8, and there are enough rows, else in float32.
func (s *Scope) Operand(heads int, shape ...int) *Tensor {
	t := Tensor{Shape: shape}
	if t.Rows() < fewRows || t.Dim(-1)/heads%8 != 0 {
		return s.F32(shape...)
	}
	return s.New(s.operandType, shape...)
}

// Upload returns a temporary with the given float32 content.
func (s *Scope) Upload(data []float32, shape ...int) *Tensor {
	t := s.New(F32, shape...)
	s.Write(t, HostBytes(data))
	return t
}

// Write copies host bytes into a tensor.
func (s *Scope) Write(t *Tensor, data []byte) {
	s.flush()
	if s.err == nil {
		s.err = s.Dev.Upload(t, data)
	}
}

// Read returns the content of a float32 tensor, zeros after an error.
func (s *Scope) Read(t *Tensor) []float32 {
	out := make([]float32, t.Len())
	s.ReadBytes(HostBytes(out), t)
	return out
}

// ReadInts is Read of an int32 tensor.
func (s *Scope) ReadInts(t *Tensor) []int32 {
	out := make([]int32, t.Len())
	s.ReadBytes(HostBytes(out), t)
	return out
}

// ReadBytes copies the elements of a tensor to the host.
func (s *Scope) ReadBytes(dst []byte, t *Tensor) {
	s.flush()
	if s.err == nil {
		s.err = s.Dev.Download(dst, t)
	}
}

// Do carries out an op.
func (s *Scope) Do(op Op) {
	if s.err != nil {
		return
	}
	var scratch *Tensor
	if s.borrower != nil {
		if s.err = op.Check(); s.err != nil {
			return
		}
		if n := s.borrower.BorrowedBytes(op); n > 0 {
			scratch = s.New(U8, n)
			defer s.Free(scratch)
		}
	}
	switch {
	case s.err != nil:
	case s.batch != nil:
		s.err = s.batch.Do(op, scratch)
	default:
		s.err = s.Dev.Do(op)
	}
}

// Free returns temporaries early, so that the peak stays low.
func (s *Scope) Free(ts ...*Tensor) {
	for _, t := range ts {
		if _, ok := s.temps[t]; ok {
			delete(s.temps, t)
			s.Dev.Free(t)
		}
	}
}

// Keep hands results to the caller, who frees them. They are kept only if the computation succeeds:
// after an error Close frees them with the rest.
func (s *Scope) Keep(ts ...*Tensor) {
	s.flush()
	if s.err != nil {
		return
	}
	for _, t := range ts {
		delete(s.temps, t)
	}
}

// Fail records an error from outside the device.
func (s *Scope) Fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Err returns the first error.
func (s *Scope) Err() error {
	s.flush()
	return s.err
}

// Close frees every temporary and returns the first error.
func (s *Scope) Close() error {
	s.flush()
	for t := range s.temps {
		s.Dev.Free(t)
	}
	clear(s.temps)
	if s.arena != nil {
		s.arena.Leave()
		s.arena = nil
	}
	return s.err
}

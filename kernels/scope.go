package kernels

// Scope owns the temporaries of one computation on one device and keeps its first error. After an error every
// call returns at once and New returns a tensor without memory, so a forward pass is written without checks and
// asks once, at Close. A Scope is used by one goroutine.
type Scope struct {
	Dev   Device
	temps map[*Tensor]struct{}
	err   error
}

// NewScope returns an empty scope on a device. Close it with a defer.
func NewScope(d Device) *Scope { return &Scope{Dev: d, temps: map[*Tensor]struct{}{}} }

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

// Result returns a tensor for the caller: one that Keep will hand over, from the device's memory for what outlives a
// computation where it has one apart.
func (s *Scope) Result(dt DType, shape ...int) *Tensor {
	arena, ok := s.Dev.(interface {
		AllocResult(dt DType, shape ...int) (*Tensor, error)
	})
	if !ok || s.err != nil {
		return s.New(dt, shape...)
	}
	t, err := arena.AllocResult(dt, shape...)
	if err != nil {
		s.err = err
		return &Tensor{DType: dt, Shape: shape}
	}
	s.temps[t] = struct{}{}
	return t
}

// F32 is New for the usual element type.
func (s *Scope) F32(shape ...int) *Tensor { return s.New(F32, shape...) }

// Upload returns a temporary with the given float32 content.
func (s *Scope) Upload(data []float32, shape ...int) *Tensor {
	t := s.New(F32, shape...)
	if s.err == nil {
		s.err = s.Dev.Upload(t, HostBytes(data))
	}
	return t
}

// Read returns the content of a float32 tensor, zeros after an error.
func (s *Scope) Read(t *Tensor) []float32 {
	out := make([]float32, t.Len())
	if s.err == nil {
		s.err = s.Dev.Download(HostBytes(out), t)
	}
	return out
}

// Do carries out an op.
func (s *Scope) Do(op Op) {
	if s.err == nil {
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

// Keep hands results to the caller, who frees them. They are kept only if the computation succeeds: after an error Close
// frees them with the rest.
func (s *Scope) Keep(ts ...*Tensor) {
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
func (s *Scope) Err() error { return s.err }

// Close frees every temporary and returns the first error.
func (s *Scope) Close() error {
	for t := range s.temps {
		s.Dev.Free(t)
	}
	clear(s.temps)
	return s.err
}

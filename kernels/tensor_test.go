package kernels_test

import (
	"errors"
	"slices"
	"testing"

	. "github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/null"
)

func TestViewsPointIntoTheSameBuffer(t *testing.T) {
	x, err := null.New().Alloc(BF16, 4, 3, 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		v     *Tensor
		off   int
		shape []int
	}{
		{"slice", x.Slice(1, 3), 15, []int{2, 3, 5}},
		{"slice of a slice", x.Slice(1, 3).Slice(1, 2), 30, []int{1, 3, 5}},
		{"index", x.Index(2), 30, []int{3, 5}},
		{"index twice", x.Index(2).Index(1), 35, []int{5}},
		{"reshape", x.Reshape(12, 5), 0, []int{12, 5}},
		{"slice of a reshape", x.Reshape(60).Slice(7, 9), 7, []int{2}},
		{"nothing", x.Slice(4, 4), 60, []int{0, 3, 5}},
	} {
		if !c.v.View || c.v.Buf != x.Buf || c.v.Off != c.off || !slices.Equal(c.v.Shape, c.shape) {
			t.Errorf("%s: got %v at %d (view %v), want %v at %d", c.name, c.v, c.v.Off, c.v.View, c.shape, c.off)
		}
	}
	if x.View || x.Off != 0 || !slices.Equal(x.Shape, []int{4, 3, 5}) {
		t.Errorf("taking views changed the tensor: %v", x)
	}
}

func TestSizes(t *testing.T) {
	x := &Tensor{DType: F16, Shape: []int{2, 3, 4}}
	if x.Len() != 24 || x.Bytes() != 48 || x.Rows() != 6 || x.Dim(0) != 2 || x.Dim(-1) != 4 {
		t.Errorf("got %d elements, %d bytes, %d rows, %d x ... x %d", x.Len(), x.Bytes(), x.Rows(), x.Dim(0), x.Dim(-1))
	}
	if scalar := (&Tensor{DType: F32}); scalar.Len() != 1 || scalar.Rows() != 0 {
		t.Errorf("scalar: %d elements, %d rows", scalar.Len(), scalar.Rows())
	}
	if empty := (&Tensor{DType: F32, Shape: []int{3, 0}}); empty.Rows() != 0 {
		t.Errorf("f32[3,0]: %d rows", empty.Rows())
	}
}

func TestAMisusedViewPanics(t *testing.T) {
	x := &Tensor{DType: F32, Shape: []int{4, 6}}
	packed := &Tensor{DType: F32, Layout: Packed, Shape: []int{4, 6}}
	for name, f := range map[string]func(){
		"reshape to another length": func() { x.Reshape(5, 5) },
		"slice past the end":        func() { x.Slice(2, 5) },
		"slice backwards":           func() { x.Slice(3, 2) },
		"negative slice":            func() { x.Slice(-1, 2) },
		"slice of packed weights":   func() { packed.Slice(0, 1) },
		"reshape of packed weights": func() { packed.Reshape(24) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestAScopeFreesWhatItDoesNotKeep(t *testing.T) {
	d := null.New()
	kept := func() *Tensor {
		s := NewScope(d)
		defer s.Close()
		a, b, y := s.F32(10), s.Upload(make([]float32, 10), 10), s.New(BF16, 10)
		s.Do(Add{A: a, B: b, Alpha: 1, Y: a})
		s.Do(Cast{X: a, Y: y})
		s.Free(b, b)
		if got := d.Live(); got != 40+20 {
			t.Errorf("inside: %d bytes, want 60", got)
		}
		s.Keep(y)
		if err := s.Err(); err != nil {
			t.Error(err)
		}
		return y
	}()
	if got := d.Live(); got != 20 {
		t.Errorf("after Close: %d bytes, want the 20 of the kept tensor", got)
	}
	d.Free(kept)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestAScopeKeepsTheFirstErrorAndDoesNoMore(t *testing.T) {
	d := null.New()
	s := NewScope(d)
	a := s.F32(10)
	s.Do(Activate{X: a, Y: s.F32(11)})
	first := s.Err()
	if first == nil {
		t.Fatal("lengths 10 and 11: no error")
	}
	s.Do(Fill{Y: a})
	s.Fail(errors.New("later"))
	if b := s.F32(3, 4); b.Buf != nil || b.Len() != 12 {
		t.Errorf("New after an error: %v with buffer %v", b, b.Buf)
	}
	s.Do(Add{A: s.F32(7), B: nil, Y: nil}) // would be refused, were it looked at
	if got := s.Read(s.F32(5)); len(got) != 5 {
		t.Errorf("Read after an error: %d elements, want 5 zeros", len(got))
	}
	s.Keep(a)
	if err := s.Close(); err != first {
		t.Errorf("Close: %v, want the first error: %v", err, first)
	}
	if len(d.Ops()) != 0 || d.Live() != 0 {
		t.Errorf("did %v, %d bytes are live", d.Ops(), d.Live())
	}
}

func TestReadAndWriteNameNoMemoryOnError(t *testing.T) {
	d := null.New()
	if _, err := Write(d, F32, []float32{1, 2, 3}, 2, 2); err == nil {
		t.Error("3 elements for f32[2,2]: no error")
	}
	if d.Live() != 0 {
		t.Errorf("%d bytes leak", d.Live())
	}
	x, err := Write(d, I32, []int32{1, 2, 3}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read[uint8](d, x); err == nil {
		t.Error("i32 read as bytes: no error")
	}
}

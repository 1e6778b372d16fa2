package cuda

import (
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// doubled adds 1, x doubled so often to x in a scope, with temporaries that are freed on the way.
func doubled(t *testing.T, dev kernels.Device, x *kernels.Tensor, times int) []float32 {
	s := kernels.NewScope(dev)
	defer s.Close()
	y := s.F32(x.Shape...)
	s.Do(kernels.Activate{X: x, Scale: 1, Bias: 1, Y: y})
	for range times {
		z := s.F32(x.Shape...)
		s.Do(kernels.Add{A: y, B: y, Alpha: 1, Y: z})
		s.Free(y)
		y = z
	}
	out := s.Read(y)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestABatchThatComesAgainIsCaptured(t *testing.T) {
	d := open(t, Float32)
	arena, err := kernels.NewArena(d, "test", kernels.Reserve{Work: 1 << 16}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer arena.Close()
	x, err := kernels.Write(d, kernels.F32, []float32{0, 1, 2, 3}, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Free(x)
	for round := range 5 {
		if got := doubled(t, arena, x, 5); got[0] != 32 || got[3] != 128 {
			t.Errorf("round %d: %v, want 32 64 96 128", round, got)
		}
		if err := d.Upload(x, kernels.HostBytes([]float32{0, 1, 2, 3})); err != nil {
			t.Fatal(err)
		}
	}
	captured := 0
	for _, g := range d.graphs.all {
		if g.captured != nil {
			captured++
		}
		if g.seen != 5 {
			t.Errorf("a batch of %d, want all 5 alike", g.seen)
		}
	}
	if captured != 1 {
		t.Errorf("%d batches captured, want 1", captured)
	}
}

func TestWhatARecordedOpReadsIsNotFreedBefore(t *testing.T) {
	d := open(t, Float32)
	x, err := kernels.Write(d, kernels.F32, []float32{0, 1, 2, 3}, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Free(x)
	if got := doubled(t, d, x, 5); got[0] != 32 || got[3] != 128 { // the device's own memory: freed at once
		t.Errorf("%v, want 32 64 96 128", got)
	}
}

func TestAWrongOpInABatchIsRefused(t *testing.T) {
	d := open(t, Float32)
	s := kernels.NewScope(d)
	defer s.Close()
	s.Do(kernels.Add{A: s.F32(4), B: s.F32(3), Alpha: 1, Y: s.F32(4)})
	if s.Err() == nil {
		t.Error("no error")
	}
}

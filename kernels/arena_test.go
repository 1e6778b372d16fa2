package kernels_test

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
	"github.com/seed49bbd0e6/tachi/kernels/null"
)

// firing allocates as a stage would: temporaries that overlap in time, and results that it keeps.
func firing(t *testing.T, dev kernels.Device, seed uint64) (results []*kernels.Tensor, err error) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	s := kernels.NewScope(dev)
	defer s.Close()
	var temps []*kernels.Tensor
	for range 40 {
		if r.IntN(3) > 0 {
			temps = append(temps, s.F32(1+r.IntN(500)))
		} else if len(temps) > 0 {
			i := r.IntN(len(temps))
			s.Free(temps[i])
			temps = append(temps[:i], temps[i+1:]...)
		}
	}
	for _, n := range []int{10, 10, 300} {
		results = append(results, s.Result(kernels.F32, n))
	}
	s.Keep(results...)
	return results, s.Err()
}

// measure returns what two generations of results need, with the temporaries of a few firings.
func measure(t *testing.T) kernels.Reserve {
	t.Helper()
	dev := null.New()
	a := kernels.Measure(dev, "stage")
	var old []*kernels.Tensor
	for seed := range uint64(5) {
		results, err := firing(t, a, seed)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range old {
			a.Free(o)
		}
		old = results
	}
	for _, o := range old {
		a.Free(o)
	}
	if now, _ := a.Live(); now != 0 || dev.Live() != 0 {
		t.Fatalf("%d bytes are left, %d below", now, dev.Live())
	}
	return a.Need()
}

func TestAnArenaOfTheMeasuredSizeIsEnoughAndNoMore(t *testing.T) {
	need := measure(t)
	if need.Results[64] != 4 || need.Results[1216] != 2 || need.Work == 0 {
		t.Fatalf("%+v", need)
	}
	dev, err := cpu.New(1)
	if err != nil {
		t.Fatal(err)
	}
	a, err := kernels.NewArena(dev, "stage", need, nil)
	if err != nil {
		t.Fatal(err)
	}
	if dev.Live() != need.Bytes() {
		t.Errorf("the device gave %d bytes, want %d", dev.Live(), need.Bytes())
	}
	var old []*kernels.Tensor
	for i := range uint64(50) {
		results, err := firing(t, a, i%5)
		if err != nil {
			t.Fatal(err)
		}
		for k, r := range results { // results lie apart
			if err := a.Upload(r, kernels.HostBytes(fill(r.Len(), float32(3*i)+float32(k)))); err != nil {
				t.Fatal(err)
			}
		}
		for k, o := range old {
			for _, v := range read(t, a, o) {
				if v != float32(3*(i-1))+float32(k) {
					t.Fatalf("firing %d: a result of the firing before was overwritten: %v", i, v)
				}
			}
			a.Free(o)
		}
		old = results
	}
	_, err = a.AllocResult(kernels.F32, 300) // the second of two
	if err != nil {
		t.Error(err)
	}
	if now, high := a.Live(); now > high || high > need.Bytes() {
		t.Errorf("%d of at most %d live, arena %d", now, high, need.Bytes())
	}
	var full *kernels.ArenaError
	if _, err := a.AllocResult(kernels.F32, 300); !errors.As(err, &full) || !full.Result || full.Size != need.Bytes() {
		t.Errorf("a third: %v", err)
	}
	if _, err := a.Alloc(kernels.U8, need.Work+1); !errors.As(err, &full) || full.Result {
		t.Errorf("one byte more of temporaries: %v", err)
	}
	if whole, err := a.Alloc(kernels.U8, need.Work); err != nil {
		t.Errorf("all temporaries: %v", err)
	} else {
		a.Free(whole)
	}
	if err := a.Close(); err == nil {
		t.Error("closed with results handed out")
	}
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
}

func fill(n int, v float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func read(t *testing.T, dev kernels.Device, x *kernels.Tensor) []float32 {
	t.Helper()
	v, err := kernels.Read[float32](dev, x)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Of arenas with one workspace only one has temporaries at a time, and a scope has it to its end.
// Results have nothing to do with it: they may be given back while their stage waits.
func TestArenasTakeTurnsInAWorkspace(t *testing.T) {
	dev := null.New()
	space, err := kernels.NewWorkspace(dev, 1024)
	if err != nil {
		t.Fatal(err)
	}
	var arenas [2]*kernels.Arena
	for i := range arenas {
		if arenas[i], err = kernels.NewArena(dev, "stage", kernels.Reserve{Work: 1024, Results: map[int]int{64: 1}}, space); err != nil {
			t.Fatal(err)
		}
	}
	if want := int64(1024 + 2*64); dev.Live() != want {
		t.Errorf("the device gave %d bytes, want %d", dev.Live(), want)
	}
	kept, err := arenas[1].AllocResult(kernels.U8, 64)
	if err != nil {
		t.Fatal(err)
	}
	scope := kernels.NewScope(arenas[0])
	first := scope.New(kernels.U8, 1024)
	scope.Free(first) // the scope may still have ops that use it
	var over atomic.Bool
	done := make(chan error)
	go func() {
		x, err := arenas[1].Alloc(kernels.U8, 1024)
		if !over.Load() {
			err = errors.Join(err, errors.New("got the workspace while a scope had it"))
		}
		arenas[1].Free(x)
		done <- err
	}()
	time.Sleep(10 * time.Millisecond) // it is waiting now
	arenas[1].Free(kept)
	again := scope.New(kernels.U8, 1024)
	over.Store(true)
	if err := scope.Close(); err != nil || again.Buf != nil {
		t.Error("the scope: ", err)
	}
	_ = scope.Close() // once more does nothing
	if err := <-done; err != nil {
		t.Error(err)
	}
	if results, work := arenas[1].Peaks(); results != 64 || work != 1024 {
		t.Errorf("peaks of %d and %d bytes", results, work)
	}
	for _, a := range arenas {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	space.Close()
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
}

// What is handed out never overlaps, holes close again, and the whole can be had at the end.
func TestARegionHandsOutWhatIsFree(t *testing.T) {
	const size = 1 << 14
	dev := null.New()
	a, err := kernels.NewArena(dev, "stage", kernels.Reserve{Work: size}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(4, 2))
	used := make([]bool, size)
	var live []*kernels.Tensor
	free := func(i int) {
		x := live[i]
		for k := range x.Bytes() {
			used[x.Off+k] = false
		}
		a.Free(x)
		live = append(live[:i], live[i+1:]...)
	}
	for range 5000 {
		if x, err := a.Alloc(kernels.U8, r.IntN(900)); err == nil && x.Len() > 0 {
			for k := range x.Bytes() {
				if used[x.Off+k] {
					t.Fatal("two tensors overlap")
				}
				used[x.Off+k] = true
			}
			live = append(live, x)
		}
		for len(live) > 0 && r.IntN(2) == 0 {
			free(r.IntN(len(live)))
		}
	}
	for len(live) > 0 {
		free(0)
	}
	if _, err := a.Alloc(kernels.U8, size); err != nil {
		t.Error(err)
	}
}

package sam2

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
	"github.com/seed49bbd0e6/tachi/kernels/null"
	"github.com/seed49bbd0e6/tachi/stages/internal/testdevice"
)

// nano loads a random nano on a device, and closes both at the end.
func nano(t *testing.T, dev kernels.Device) *Model {
	t.Helper()
	c := variant(t, "nano")
	m, err := Load(dev, c, checkpoint(t, c, nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Close()
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// track runs a frame prompted by a click and a frame that remembers it, and returns the second
// frame's logits.
func track(t *testing.T, m *Model, dev kernels.Device) []float32 {
	t.Helper()
	s := kernels.NewScope(dev)
	defer s.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var frames []*kernels.Tensor
	for i := range 2 {
		rgb := make([]uint8, 60*80*3)
		for j := range rgb {
			rgb[j] = uint8(j * (7 + i) / 3)
		}
		raw, err := kernels.Write(dev, kernels.U8, rgb, 60, 80, 3)
		must(err)
		defer dev.Free(raw)
		x, err := m.Preprocess(raw)
		must(err)
		defer dev.Free(x)
		frames = append(frames, x)
	}
	f, err := m.Encode(frames)
	must(err)
	for _, x := range f {
		defer dev.Free(x.F0)
		defer dev.Free(x.F1)
		defer dev.Free(x.F2)
	}
	plain, err := m.WithoutMemory(f[0].F2)
	must(err)
	defer dev.Free(plain)
	first, err := m.Decode(DecodeInput{F: f[0], Conditioned: plain, Points: []PointPrompt{{100, 80, 1}}, Multimask: true})
	must(err)
	defer dev.Free(first.Masks)
	defer dev.Free(first.Tokens)
	best := Best(first.IoU)
	pointer, err := m.ObjectPointer(first.Tokens.Index(best), 1)
	must(err)
	defer dev.Free(pointer)
	memory, err := m.EncodeMemory(f[0].F2, first.Masks.Index(best), true, false)
	must(err)
	defer dev.Free(memory)
	conditioned, err := m.Condition(f[1].F2, []Memory{{memory, 6}}, []Pointer{{pointer, 1. / 15}})
	must(err)
	defer dev.Free(conditioned)
	second, err := m.Decode(DecodeInput{F: f[1], Conditioned: conditioned, Multimask: true})
	must(err)
	defer dev.Free(second.Masks)
	defer dev.Free(second.Tokens)
	return append(append(s.Read(second.Masks), second.IoU...), second.ObjectLogit)
}

func TestResultsDoNotDependOnThreads(t *testing.T) {
	var all [2][]float32
	for i, threads := range []int{1, 3} {
		dev, err := cpu.New(threads)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = track(t, nano(t, dev), dev)
	}
	want, got := all[0], all[1]
	if !slices.Equal(want, got) {
		t.Error("one thread and three give different logits")
	}
	if lo, hi := slices.Min(want), slices.Max(want); !(lo < hi) {
		t.Errorf("the logits are all %v", lo)
	}
}

func TestAModelServesSeveralGoroutines(t *testing.T) {
	dev := testdevice.Open(t, 2)
	m := nano(t, dev)
	want := track(t, m, dev)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got := track(t, m, dev); !slices.Equal(want, got) {
				t.Error("the logits depend on what runs beside")
			}
		})
	}
	wg.Wait()
}

// breaking is a device whose nth call of Alloc or Do fails.
type breaking struct {
	*null.Device
	left int
}

var errBroken = errors.New("broken on purpose")

func (d *breaking) Alloc(dt kernels.DType, shape ...int) (*kernels.Tensor, error) {
	if d.left--; d.left == 0 {
		return nil, errBroken
	}
	return d.Device.Alloc(dt, shape...)
}

func (d *breaking) Do(op kernels.Op) error {
	if d.left--; d.left == 0 {
		return errBroken
	}
	return d.Device.Do(op)
}

func TestAFailureAnywhereLeavesNothingAllocated(t *testing.T) {
	dev := &breaking{Device: null.New()}
	m, err := Dry(dev, variant(t, "nano"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c := m.Config()
	s := kernels.NewScope(dev)
	defer s.Close()
	image, picture := s.F32(256, 256, 3), s.New(kernels.U8, 30, 40, 3)
	f := Features{s.F32(64, 64, 16), s.F32(32, 32, 32), s.F32(16, 16, 128)}
	cond, mask, token := s.F32(256, 128), s.F32(64, 64), s.F32(128)
	memory := Memory{s.New(kernels.BF16, 256, c.MemDim()), 6}
	for name, call := range map[string]func() ([]*kernels.Tensor, error){
		"encode": func() ([]*kernels.Tensor, error) {
			out, err := m.Encode([]*kernels.Tensor{image, image})
			var ts []*kernels.Tensor
			for _, f := range out {
				ts = append(ts, f.F0, f.F1, f.F2)
			}
			return ts, err
		},
		"condition": func() ([]*kernels.Tensor, error) {
			x, err := m.Condition(f.F2, []Memory{memory}, []Pointer{{token, 1}})
			return []*kernels.Tensor{x}, err
		},
		"decode": func() ([]*kernels.Tensor, error) {
			d, err := m.Decode(DecodeInput{F: f, Conditioned: cond, MaskLogits: mask, Stability: &Stability{0.05, 0.98}})
			return []*kernels.Tensor{d.Masks, d.Tokens}, err
		},
		"mask": func() ([]*kernels.Tensor, error) {
			low, d, err := m.MaskOutput(f, image.Reshape(3, 256, 256).Index(0))
			return []*kernels.Tensor{low, d.Masks, d.Tokens}, err
		},
		"without memory": func() ([]*kernels.Tensor, error) {
			x, err := m.WithoutMemory(f.F2)
			return []*kernels.Tensor{x}, err
		},
		"preprocess": func() ([]*kernels.Tensor, error) {
			x, err := m.Preprocess(picture)
			return []*kernels.Tensor{x}, err
		},
		"pointer": func() ([]*kernels.Tensor, error) {
			x, err := m.ObjectPointer(token, 1)
			return []*kernels.Tensor{x}, err
		},
		"remember": func() ([]*kernels.Tensor, error) {
			x, err := m.EncodeMemory(f.F2, mask, true, true)
			return []*kernels.Tensor{x}, err
		},
	} {
		live := dev.Live()
		for n := 1; ; n++ {
			dev.left = n
			out, err := call()
			for _, x := range out {
				if err != nil && x != nil {
					t.Fatalf("%s: call %d failed and there is a result", name, n)
				}
				dev.Free(x)
			}
			if now := dev.Live(); now != live {
				t.Fatalf("%s: after a failure in call %d, %d bytes remain", name, n, now-live)
			}
			if err == nil {
				if n < 3 {
					t.Errorf("%s: only %d calls", name, n-1)
				}
				break
			}
			if !errors.Is(err, errBroken) {
				t.Fatalf("%s: call %d: %v", name, n, err)
			}
		}
		dev.left = 0
	}
}

func TestWrongOperandsAreNamed(t *testing.T) {
	dev := null.New()
	m, err := Dry(dev, variant(t, "nano"))
	if err != nil {
		t.Fatal(err)
	}
	s := kernels.NewScope(dev)
	defer s.Close()
	f := Features{s.F32(64, 64, 16), s.F32(32, 32, 32), s.F32(16, 16, 128)}
	cond, small := s.F32(256, 128), s.F32(3)
	for want, call := range map[string]func() error{
		"encode: image is f32[3], want f32[256 256 3]":           func() error { _, err := m.Encode([]*kernels.Tensor{small}); return err },
		"mask decoder: F0 is nil":                                func() error { _, err := m.Decode(DecodeInput{}); return err },
		"mask decoder: conditioned is f32[3], want f32[256 128]": func() error { _, err := m.Decode(DecodeInput{F: f, Conditioned: small}); return err },
		"mask decoder: mask prompt is f32[3]":                    func() error { _, err := m.Decode(DecodeInput{F: f, Conditioned: cond, MaskLogits: small}); return err },
		"mask decoder: point 0 has label 4, want 0 to 3": func() error {
			_, err := m.Decode(DecodeInput{F: f, Conditioned: cond, Points: []PointPrompt{{0, 0, 4}}})
			return err
		},
		"memory attention: nothing to attend to":                  func() error { _, err := m.Condition(f.F2, nil, nil); return err },
		"memory attention: memory 0 is f32[3], want bf16[256 64]": func() error { _, err := m.Condition(f.F2, []Memory{{small, 0}}, nil); return err },
		"memory attention: pointer 0 is f32[3], want f32[128]":    func() error { _, err := m.Condition(f.F2, nil, []Pointer{{small, 0}}); return err },
		"memory encoder: mask is f32[3], want f32[64 64]":         func() error { _, err := m.EncodeMemory(f.F2, small, false, false); return err },
		"memory encoder: vision feature is f32[3]":                func() error { _, err := m.EncodeMemory(small, small, false, false); return err },
		"object pointer: token is f32[3], want f32[128]":          func() error { _, err := m.ObjectPointer(small, 1); return err },
		"mask prompt is f32[3], want f32[256 256]":                func() error { _, _, err := m.MaskOutput(f, small); return err },
		"without memory: vision feature is f32[3]":                func() error { _, err := m.WithoutMemory(small); return err },
		"preprocess: X is f32[3]":                                 func() error { _, err := m.Preprocess(small); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	m.Close()
}

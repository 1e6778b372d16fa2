package kerneltest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// What must hold for a device apart from its arithmetic.

// conformance tests memory, refusal, and the sameness of results on a device that stays open.
func conformance(t *testing.T, dev kernels.Device, check func(kernels.Device, Case) error) {
	t.Run("info names the device", func(t *testing.T) {
		if dev.Info().Name == "" {
			t.Error("no name")
		}
	})
	t.Run("upload and download keep every bit", func(t *testing.T) { roundTrip(t, dev) })
	t.Run("views share memory", func(t *testing.T) { views(t, dev) })
	t.Run("a transfer of another length is refused", func(t *testing.T) { transferLength(t, dev) })
	t.Run("a wrong op is refused and touches nothing", func(t *testing.T) { refusal(t, dev) })
	t.Run("results do not depend on the batch", func(t *testing.T) { batch(t, dev) })
	t.Run("preprocess is Pillow's, bit for bit", func(t *testing.T) { preprocessLikePillow(t, dev) })
	t.Run("resize is torch's", func(t *testing.T) { resizeLikeTorch(t, dev) })
	t.Run("mask-boxes sees what resize makes", func(t *testing.T) { boxesOfResized(t, dev) })
	t.Run("ops run concurrently", func(t *testing.T) { concurrent(t, dev, check) })
	t.Run("sync", func(t *testing.T) {
		if err := dev.Sync(); err != nil {
			t.Error(err)
		}
	})
}

// Lifecycle tests what a device does about freeing and closing, on devices of its own. It asks for
// no arithmetic.
func Lifecycle(t *testing.T, open func() kernels.Device) {
	t.Run("close with nothing allocated", func(t *testing.T) {
		if err := open().Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("close reports a leak", func(t *testing.T) {
		dev := open()
		if _, err := dev.Alloc(kernels.F32, 100); err != nil {
			t.Fatal(err)
		}
		if err := dev.Close(); err == nil {
			t.Error("a tensor is still allocated, Close says nothing")
		}
	})
	t.Run("free nil, a view, and twice", func(t *testing.T) {
		dev := open()
		a, err := dev.Alloc(kernels.F32, 4, 8)
		if err != nil {
			t.Fatal(err)
		}
		b, err := dev.Alloc(kernels.F32, 4, 8)
		if err != nil {
			t.Fatal(err)
		}
		w, err := dev.Pack(b)
		if err != nil {
			t.Fatal(err)
		}
		dev.Free(nil)
		dev.Free(a.Slice(1, 2))
		dev.Free(a)
		dev.Free(a)
		dev.Free(w)
		if err := dev.Close(); err == nil {
			t.Error("freeing one tensor twice freed another")
		}
		dev.Free(b)
	})
	t.Run("an impossible allocation is an error", func(t *testing.T) {
		dev := open()
		if _, err := dev.Alloc(kernels.F32, 2, -3); err == nil {
			t.Error("[2,-3]: no error")
		}
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("pack refuses what is not f32[n,k]", func(t *testing.T) {
		dev := open()
		defer dev.Close()
		for _, dims := range [][]int{{4}, {2, 2, 2}} {
			a, err := dev.Alloc(kernels.F32, dims...)
			if err != nil {
				t.Fatal(err)
			}
			if p, err := dev.Pack(a); err == nil {
				t.Errorf("%v: no error", a)
				dev.Free(p)
			}
			dev.Free(a)
		}
	})
}

func roundTrip(t *testing.T, dev kernels.Device) {
	for _, dt := range []kernels.DType{kernels.F32, kernels.F16, kernels.BF16, kernels.U8, kernels.I32} {
		for _, shape := range [][]int{{1}, {3, 5, 7}, {4097}, {}} {
			x, err := dev.Alloc(dt, shape...)
			if err != nil {
				t.Fatal(err)
			}
			r := rng{uint64(x.Len())}
			want := make([]byte, x.Bytes())
			for i := range want {
				want[i] = byte(r.next())
			}
			got := make([]byte, x.Bytes())
			if err := dev.Upload(x, want); err != nil {
				t.Errorf("%v: %v", x, err)
			}
			if err := dev.Download(got, x); err != nil {
				t.Errorf("%v: %v", x, err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%v changed on the way", x)
			}
			dev.Free(x)
		}
	}
}

func views(t *testing.T, dev kernels.Device) {
	x, err := kernels.Write(dev, kernels.F32, []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 4, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Free(x)
	if err := dev.Upload(x.Index(2), kernels.HostBytes([]float32{60, 70, 80})); err != nil {
		t.Fatal(err)
	}
	if err := dev.Do(kernels.Fill{Y: x.Slice(1, 2), Value: -1}); err != nil {
		t.Fatal(err)
	}
	got, err := kernels.Read[float32](dev, x.Slice(1, 4).Reshape(9))
	if err != nil {
		t.Fatal(err)
	}
	if want := []float32{-1, -1, -1, 60, 70, 80, 9, 10, 11}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func transferLength(t *testing.T, dev kernels.Device) {
	x, err := kernels.Write(dev, kernels.F32, []float32{1, 2, 3}, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Free(x)
	if dev.Upload(x, make([]byte, 8)) == nil || dev.Upload(x, make([]byte, 16)) == nil {
		t.Error("upload of 8 and 16 bytes to f32[3]: no error")
	}
	if dev.Download(make([]byte, 8), x) == nil || dev.Download(make([]byte, 16), x) == nil {
		t.Error("download of f32[3] to 8 and 16 bytes: no error")
	}
	if got, err := kernels.Read[float32](dev, x); err != nil || fmt.Sprint(got) != "[1 2 3]" {
		t.Errorf("content is %v, %v", got, err)
	}
}

// refusal offers ops of which one operand is wrong.
func refusal(t *testing.T, dev kernels.Device) {
	m := newMaker(dev, "refusal")
	defer m.close()
	x, b, w, y := m.F32(4, 6), m.F32(5), m.Packed(5, 6), m.Out(4, 5)
	for operand, op := range map[string]kernels.Op{
		"X":    kernels.Linear{X: m.F32(4, 7), W: w, Bias: b, Y: y},
		"W":    kernels.Linear{X: x, W: m.F32(5, 6), Bias: b, Y: y},
		"Bias": kernels.Linear{X: x, W: w, Bias: m.F32(4), Y: y},
		"Res":  kernels.Linear{X: x, W: w, Bias: b, Res: m.F32(7), Y: y},
		"Y":    kernels.Linear{X: x, W: w, Bias: b, Y: m.Out(5, 5)},
	} {
		err := dev.Do(op)
		if err == nil {
			t.Errorf("wrong %s: no error", operand)
		} else if !strings.Contains(err.Error(), operand) && operand != "X" { // X and W disagree: either may be named
			t.Errorf("wrong %s: the error does not name it: %v", operand, err)
		}
	}
	if m.err != nil {
		t.Fatal(m.err)
	}
	if err := m.untouched(nil); err != nil {
		t.Error(err)
	}
}

// boxesOfResized compares with the box of the enlarged plane itself, on a patch of noise around 0
// in negative noise: the two ops must interpolate to the same bits.
func boxesOfResized(t *testing.T, dev kernels.Device) {
	m := newMaker(dev, "boxes of resized")
	defer m.close()
	for _, s := range [][4]int{{24, 24, 96, 96}, {16, 20, 53, 97}, {40, 30, 11, 17}} {
		h, w, oh, ow := s[0], s[1], s[2], s[3]
		const n = 5
		v := m.rng.floats(n*h*w, 1)
		for i := range v {
			if p, y, x := i/(h*w), i/w%h, i%w; x < p || x >= w-2*p || y < 2*p || y >= h-p {
				v[i] -= 1
			}
		}
		x, y, box := m.Data(v, n, h, w), m.Out(n, oh, ow), m.OutOf(kernels.I32, n, 4)
		if m.err != nil {
			t.Fatal(m.err)
		}
		if err := errors.Join(dev.Do(kernels.Resize{X: x, Y: y}), dev.Do(kernels.MaskBoxes{X: x, H: oh, W: ow, Y: box})); err != nil {
			t.Fatal(err)
		}
		big, err := kernels.Read[float32](dev, y)
		if err != nil {
			t.Fatal(err)
		}
		got, err := kernels.Read[int32](dev, box)
		if err != nil {
			t.Fatal(err)
		}
		for p := range n {
			want := boxOf(big[p*oh*ow:][:oh*ow], ow)
			if want == ([4]int32{}) {
				t.Errorf("%v, plane %d: nothing > 0 was made", s, p)
			}
			if [4]int32(got[4*p:]) != want {
				t.Errorf("%v, plane %d: box %v, that of the resized plane is %v", s, p, got[4*p:][:4], want)
			}
		}
	}
}

// batch carries out ops on all rows or pictures, then on each alone, and wants the same bytes.
func batch(t *testing.T, dev kernels.Device) {
	m := newMaker(dev, "batch")
	defer m.close()
	const n = 5
	x, rows := m.F32(n, 8, 12, 20), m.F32(n, 96)
	w, bias, dw := m.Packed(33, 9*20), m.F32(33), m.F32(7, 7, 20)
	lw, gamma := m.Packed(70, 96), m.F32(96)
	q, k := m.F32(n, 48), m.F32(150, 48)
	qkv, pad := m.F32(n, 8, 12, 60), m.F32(60)
	planes, up := m.F32(n, 16, 16), m.Packed(4*7, 20)
	if m.err != nil {
		t.Fatal(m.err)
	}
	part := func(v *kernels.Tensor, i int) *kernels.Tensor { return v.Slice(i, i+1) }
	for _, c := range []struct {
		name  string
		y, y1 *kernels.Tensor
		op    func(cut func(*kernels.Tensor) *kernels.Tensor, y *kernels.Tensor) kernels.Op
	}{
		{"linear", m.Out(n, 70), m.Out(1, 70), func(cut func(*kernels.Tensor) *kernels.Tensor, y *kernels.Tensor) kernels.Op {
			return kernels.Linear{X: cut(rows), W: lw, Act: kernels.GELU, Y: y}
		}},
		{"matmul-nt", m.Out(n, 150), m.Out(1, 150), func(cut func(*kernels.Tensor) *kernels.Tensor, y *kernels.Tensor) kernels.Op {
			return kernels.MatMulNT{A: cut(q), B: k, Y: y}
		}},
		{"conv2d", m.Out(n, 4, 6, 33), m.Out(1, 4, 6, 33), func(cut func(*kernels.Tensor) *kernels.Tensor, y *kernels.Tensor) kernels.Op {
			return kernels.Conv2D{X: cut(x), W: w, Bias: bias, Kernel: 3, Stride: 2, Pad: 1, Y: y}
		}},
		{"depthwise-conv", m.Out(n, 8, 12, 20), m.Out(1, 8, 12, 20), func(cut func(*kernels.Tensor) *kernels.Tensor, y *kernels.Tensor) kernels.Op {
			return kernels.DepthwiseConv{X: cut(x), W: dw, Bias: pad.Slice(0, 20), Kernel: 7, Y: y}
		}},
		{"up-conv", m.Out(n, 16, 24, 7), m.Out(1, 16, 24, 7), func(cut func(*kernels.Tensor) *kernels.Tensor, y *kernels.Tensor) kernels.Op {
			return kernels.UpConv{X: cut(x), W: up, Bias: pad.Slice(0, 7), Y: y}
		}},
		{"attention", m.Out(n, 48), m.Out(1, 48), func(cut func(*kernels.Tensor) *kernels.Tensor, y *kernels.Tensor) kernels.Op {
			return kernels.Attention{Q: cut(q), K: k, V: k, Heads: 2, Scale: 0.2, Y: y}
		}},
		{"window-attention", m.Out(n, 8, 12, 20), m.Out(1, 8, 12, 20), func(cut func(*kernels.Tensor) *kernels.Tensor, y *kernels.Tensor) kernels.Op {
			return kernels.WindowAttention{QKV: cut(qkv), PadQKV: pad, Heads: 2, Window: 7, Y: y}
		}},
		{"layer-norm", m.Out(n, 96), m.Out(1, 96), func(cut func(*kernels.Tensor) *kernels.Tensor, y *kernels.Tensor) kernels.Op {
			return kernels.LayerNorm{X: cut(rows), Gamma: gamma, Beta: gamma, Eps: 1e-6, Act: kernels.GELU, Y: y}
		}},
		{"activate", m.Out(n, 96), m.Out(1, 96), func(cut func(*kernels.Tensor) *kernels.Tensor, y *kernels.Tensor) kernels.Op {
			return kernels.Activate{X: cut(rows), Act: kernels.Sigmoid, Scale: 20, Bias: -10, Y: y}
		}},
		{"resize", m.Out(n, 33, 47), m.Out(1, 33, 47), func(cut func(*kernels.Tensor) *kernels.Tensor, y *kernels.Tensor) kernels.Op {
			return kernels.Resize{X: cut(planes), Y: y}
		}},
	} {
		all := func(v *kernels.Tensor) *kernels.Tensor { return v }
		if err := dev.Do(c.op(all, c.y)); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i := range n {
			if err := dev.Do(c.op(func(v *kernels.Tensor) *kernels.Tensor { return part(v, i) }, c.y1)); err != nil {
				t.Errorf("%s: %v", c.name, err)
				break
			}
			want, err := kernels.Read[float32](dev, part(c.y, i))
			if err != nil {
				t.Fatal(err)
			}
			got, err := kernels.Read[float32](dev, c.y1)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(kernels.HostBytes(got), kernels.HostBytes(want)) {
				t.Errorf("%s: row or picture %d alone differs from the same in a batch", c.name, i)
				break
			}
		}
	}
}

// concurrent carries out cases from several goroutines at once.
func concurrent(t *testing.T, dev kernels.Device, check func(kernels.Device, Case) error) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			all := Cases()
			for i := g; i < len(all); i += 5 {
				if !strings.HasPrefix(all[i].Name, "cast/") { // long, and nothing to collide in
					if err := check(dev, all[i]); err != nil {
						t.Errorf("%s: %v", all[i].Name, err)
					}
				}
			}
		}()
	}
	wg.Wait()
}

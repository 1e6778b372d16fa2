package sam2

import (
	"fmt"
	"math"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/null"
)

// drive runs every part of a network once, as one tracked frame with a full bank does, and calls
// note after each.
func drive(t *testing.T, dev kernels.Device, m *Model, images int, note func(part string)) {
	t.Helper()
	c := m.Config()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	alloc := func(dt kernels.DType, shape ...int) *kernels.Tensor {
		x, err := dev.Alloc(dt, shape...)
		must(err)
		if dt == kernels.F32 {
			must(dev.Do(kernels.Fill{Y: x}))
		}
		t.Cleanup(func() { dev.Free(x) })
		return x
	}
	keep := func(x *kernels.Tensor, err error) *kernels.Tensor {
		t.Helper()
		must(err)
		t.Cleanup(func() { dev.Free(x) })
		return x
	}

	rgb := alloc(kernels.U8, 72, 96, 3)
	var inputs []*kernels.Tensor
	for range images {
		inputs = append(inputs, keep(m.Preprocess(rgb)))
	}
	note("preprocess")
	features, err := m.Encode(inputs)
	must(err)
	note("encode")
	for _, f := range features {
		t.Cleanup(func() { dev.Free(f.F0); dev.Free(f.F1); dev.Free(f.F2) })
	}
	f := features[0]
	var memories []Memory
	var pointers []Pointer
	for i := range c.NumMaskmem {
		memories = append(memories, Memory{alloc(kernels.BF16, m.hw(), c.MemDim()), c.NumMaskmem - 1 - i})
	}
	for i := range c.MaxObjPtrsInEncoder {
		pointers = append(pointers, Pointer{alloc(kernels.F32, c.Dim()), float64(i) / 15})
	}
	conditioned := keep(m.Condition(f.F2, memories, pointers))
	note("condition")
	d, err := m.Decode(DecodeInput{F: f, Conditioned: conditioned, Multimask: true})
	must(err)
	keep(d.Masks, nil)
	keep(d.Tokens, nil)
	if len(d.IoU) != 3 || d.Masks.Dim(0) != 3 || d.Tokens.Dim(0) != 3 {
		t.Errorf("multimask gives %v masks, %v tokens, %d scores", d.Masks, d.Tokens, len(d.IoU))
	}
	if c.UseObjPtrsInEncoder {
		keep(m.ObjectPointer(d.Tokens.Index(1), 1))
	}
	note("decode")
	keep(m.EncodeMemory(f.F2, d.Masks.Index(2), false, true))
	note("remember")

	plain := keep(m.WithoutMemory(f.F2))
	d, err = m.Decode(DecodeInput{F: f, Conditioned: plain, Points: []PointPrompt{{1, 2, 2}, {30, 40, 3}}, MaskLogits: d.Masks.Index(0),
		Stability: &Stability{0.05, 0.98}})
	must(err)
	keep(d.Masks, nil)
	keep(d.Tokens, nil)
	if len(d.IoU) != 1 || d.Masks.Dim(0) != 1 {
		t.Errorf("a single mask gives %v masks, %d scores", d.Masks, len(d.IoU))
	}
	if !c.UseObjPtrsInEncoder {
		note("prompts")
		return
	}
	low, d, err := m.MaskOutput(f, alloc(kernels.F32, c.ImageSize, c.ImageSize))
	must(err)
	keep(low, nil)
	keep(d.Masks, nil)
	keep(d.Tokens, nil)
	note("prompts")
}

// padding returns the products that the reference spends on pad tokens: their projections in and
// out, and their queries.
func padding(c Config) float64 {
	sum := 0.0
	for _, b := range c.ImageEncoder.Trunk.blocks() {
		side := c.MaskSide() >> b.stage
		if b.pool {
			side *= 2
		}
		if b.window == 0 || side%b.window == 0 {
			continue
		}
		padded := (side + b.window - 1) / b.window * b.window
		tokens := float64(padded*padded - side*side)
		in, out := float64(b.in), float64(b.out)
		sum += 2 * tokens * in * 3 * out
		if b.pool {
			tokens /= 4
		}
		sum += 2*tokens*out*out + 4*tokens*float64(b.window*b.window)*out
	}
	return sum
}

// The published work per frame, less what composed maps save and what pad tokens do not cost here.
func TestWorkOfEveryVariant(t *testing.T) {
	// GFLOP of products. The folds of conv_s0 and conv_s1 turn (C + out)*256 into C*out per pixel.
	encode := map[string]float64{"tiny": 292.4, "small": 360.1, "base_plus": 646.8, "large": 1822.8}
	for _, name := range VariantNames() {
		t.Run(name, func(t *testing.T) {
			dev := null.New()
			c := variant(t, name)
			m, err := Dry(dev, c)
			if err != nil {
				t.Fatal(err)
			}
			weights := dev.Live()
			dev.Reset()
			total := 0.0
			drive(t, dev, m, 1, func(part string) {
				gflop := products(dev) / 1e9
				if part != "prompts" {
					total += gflop
				}
				t.Logf("%-10s %8.2f GFLOP, peak %7.1f MB", part, gflop, float64(dev.Peak())/1e6)
				if want, ok := encode[name]; ok && part == "encode" {
					ch := c.ImageEncoder.Neck.BackboneChannelList
					pixels := float64(c.ImageSize * c.ImageSize)
					saved := padding(c) + 2*pixels/16*float64((ch[3]+32)*256-ch[3]*32)
					saved += 2 * pixels / 64 * float64((ch[2]+64)*256-ch[2]*64)
					if want -= saved / 1e9; math.Abs(gflop-want) > 0.001*want {
						t.Errorf("encode: %.2f GFLOP, want %.2f", gflop, want)
					}
				}
				if name == "tiny" && part == "condition" && math.Abs(gflop-269.7) > 3 {
					t.Errorf("condition: %.2f GFLOP, want about 269.7: 419.4 with keys", gflop)
				}
				dev.Reset()
			})
			t.Logf("%-10s %8.2f GFLOP, weights %.1f MB", "frame", total, float64(weights)/1e6)
			if name == "nano" && total > 2 {
				t.Errorf("nano takes %.2f GFLOP a frame, want at most 2", total)
			}
			m.Close()
		})
	}
}

// products sums the work of matrix products, convolutions and attention.
func products(dev *null.Device) float64 {
	sum := 0.0
	for name, c := range dev.Ops() {
		switch name {
		case (kernels.Linear{}).Name(), (kernels.Conv2D{}).Name(), (kernels.UpConv{}).Name(), (kernels.MatMulNT{}).Name(),
			(kernels.Attention{}).Name(), (kernels.RotaryAttention{}).Name(), (kernels.WindowAttention{}).Name(), (kernels.DepthwiseConv{}).Name():
			sum += c.FLOP
		}
	}
	return sum
}

func TestNothingStaysAllocated(t *testing.T) {
	dev := null.New()
	m, err := Dry(dev, variant(t, "tiny2.0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("frame", func(t *testing.T) { drive(t, dev, m, 2, func(string) {}) })
	m.Close()
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
}

func TestTinyStaysSmallAtTwoImages(t *testing.T) {
	dev := null.New()
	m, err := Dry(dev, variant(t, "tiny"))
	if err != nil {
		t.Fatal(err)
	}
	drive(t, dev, m, 2, func(part string) {
		t.Logf("%-10s peak %.1f MB", part, float64(dev.Peak())/1e6)
	})
	if dev.Peak() > 600<<20 {
		t.Errorf("peak is %d MiB, want at most 600", dev.Peak()>>20)
	}
}

// Every key is tried with values that may or may not make sense: what is accepted must run.
func TestWhatIsAcceptedRuns(t *testing.T) {
	base := variant(t, "nano")
	values := map[string][]any{}
	for _, key := range Keys() {
		for _, v := range []any{true, false, "gelu", "bilinear", -1, 0, 1, 2, 3, 4, 5, 8, 12, 64, 96, 160, 512, 1 << 40, 0.5,
			[]int{}, []int{0}, []int{3}, []int{2, 2}, []int{5, 9}, []int{2, 1, 1, 3}, []int{4, 2, 8, 6}, []int{1 << 30, 1, 1, 1}} {
			values[key] = append(values[key], v)
		}
	}
	ran := 0
	for key, tries := range values {
		for _, v := range tries {
			c, err := base.Override(map[string]any{key: v})
			if err != nil {
				continue
			}
			t.Run(fmt.Sprintf("%s=%v", key, v), func(t *testing.T) {
				ran++
				dev := null.New()
				m, err := Dry(dev, c)
				if err != nil {
					t.Fatal(err)
				}
				drive(t, dev, m, 1, func(string) {})
				m.Close()
			})
		}
	}
	if ran < 200 {
		t.Errorf("only %d settings were accepted", ran)
	}
}

package memoryencode

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// counter stands in for a device: it counts the tensors that are alive.
type counter struct {
	kernels.Device
	live     int
	features int // of these
}

func (c *counter) Free(t *kernels.Tensor) {
	c.live--
	if t.DType == kernels.BF16 {
		c.features--
	}
}

// at returns a memory of a frame.
func (c *counter) at(frame int) *token.Memory {
	c.live += 2
	c.features++
	return &token.Memory{Frame: frame, Features: token.Share(c, &kernels.Tensor{DType: kernels.BF16}), Pointer: token.Share(c, &kernels.Tensor{})}
}

func (c *counter) memory(r *rand.Rand, frame int, prompted bool) *token.Memory {
	m := c.at(frame)
	m.IoU, m.ObjectLogit, m.Prompted = r.Float32(), 2*r.Float32()-0.6, prompted
	if r.IntN(3) > 0 {
		kf := r.Float64() - 0.2
		m.KFScore = &kf
	}
	return m
}

// published is the configuration of a published network.
func published(t *testing.T) sam2.Config {
	t.Helper()
	c, err := sam2.Variant("tiny")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// upstreamSamurai lists frame and temporal index of the memories that the reference reads for frame
// f when it keeps every frame: it scans backwards, as it is written there.
func upstreamSamurai(all []*token.Memory, f int) (out []string) {
	var valid []int
	if f > 1 {
		for i := f - 1; i > 1; i-- {
			m := all[i]
			if m.IoU > 0.5 && m.ObjectLogit > 0 && (m.KFScore == nil || *m.KFScore > 0) {
				valid = slices.Insert(valid, 0, i)
			}
			if len(valid) >= 15 {
				break
			}
		}
	}
	if !slices.Contains(valid, f-1) {
		valid = append(valid, f-1)
	}
	out = append(out, "0@6")
	for pos := 1; pos <= 6; pos++ {
		if i := len(valid) - 7 + pos; i >= 0 && valid[i] > 0 {
			out = append(out, fmt.Sprintf("%d@%d", valid[i], 6-pos))
		}
	}
	return out
}

// upstreamSAM2 is the same for plain SAM 2 with a stride.
func upstreamSAM2(all []*token.Memory, f, stride int) (out []string) {
	out = append(out, "0@6")
	for pos := 1; pos <= 6; pos++ {
		rel := 7 - pos
		i := f - 1
		if rel > 1 {
			i = (f-2)/stride*stride - (rel-2)*stride
		}
		if i > 0 && i < f {
			out = append(out, fmt.Sprintf("%d@%d", i, 6-pos))
		}
	}
	return out
}

func read(b *token.ObjectBank) (out []string) {
	for _, s := range b.Attend {
		out = append(out, fmt.Sprintf("%d@%d", s.Frame, s.TPos))
	}
	return out
}

func TestTheBoundedBankReadsWhatKeepingEverythingReads(t *testing.T) {
	three := 3
	tests := []struct {
		name   string
		o      Options
		expect func(all []*token.Memory, f int) []string
		most   int // memories alive beyond the prompt's; pointers are 15 beyond its
	}{
		{"samurai", Options{Policy: "samurai", IoU: 0.5}, upstreamSamurai, 7},
		{"recent", Options{Policy: "recent"}, func(all []*token.Memory, f int) []string { return upstreamSAM2(all, f, 1) }, 6},
		{"recent, stride 3", Options{Policy: "recent", Stride: &three}, func(all []*token.Memory, f int) []string { return upstreamSAM2(all, f, 3) }, 16},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 7))
			dev := &counter{}
			k := newKeeper(&tt.o, published(t))
			var all []*token.Memory
			var bank *token.ObjectBank
			for f := range 300 {
				if f > 0 {
					if got, want := read(bank), tt.expect(all, f); !slices.Equal(got, want) {
						t.Fatalf("frame %d attends to %v, want %v", f, got, want)
					}
					var pointers []int
					for _, p := range bank.Pointers {
						pointers = append(pointers, p.Frame)
					}
					var want []int
					for i := max(1, f-15); i < f; i++ {
						want = append(want, i)
					}
					if !slices.Equal(pointers, want) {
						t.Fatalf("frame %d reads pointers %v, want %v", f, pointers, want)
					}
				}
				m := dev.memory(r, f, f == 0)
				all = append(all, m)
				next, _ := k.keep(bank, 1, m)
				if bank != nil {
					(&token.Bank{Objects: []*token.ObjectBank{bank}}).Release()
				}
				bank = next
				if dev.features > 1+tt.most || dev.live-dev.features > 1+15 {
					t.Fatalf("frame %d: the bank holds %d memories and %d pointers", f, dev.features, dev.live-dev.features)
				}
			}
			(&token.Bank{Objects: []*token.ObjectBank{bank}}).Release()
			if dev.live != 0 {
				t.Errorf("%d tensors were never freed", dev.live)
			}
		})
	}
}

func TestBestIoUKeepsTheBestOfTheValidAndTheFrameBefore(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	dev := &counter{}
	k := newKeeper(&Options{Policy: "best-iou", IoU: 0.5}, published(t))
	var bank *token.ObjectBank
	var valid []*token.Memory
	for f := range 100 {
		m := dev.memory(r, f, f == 0)
		bank, _ = k.keep(bank, 1, m)
		if f == 0 {
			continue
		}
		ok, _ := k.check(m)
		want := slices.Clone(valid)
		slices.SortFunc(want, func(a, b *token.Memory) int { return cmp.Or(cmp.Compare(b.IoU, a.IoU), b.Frame-a.Frame) })
		want = want[:min(5, len(want))]
		slices.SortFunc(want, func(a, b *token.Memory) int { return a.Frame - b.Frame })
		want = append(want, m)
		var got []*token.Memory
		for _, s := range bank.Attend[1:] {
			got = append(got, s.Memory)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("after frame %d: attends to %v", f, read(bank))
		}
		if ok {
			valid = append(valid, m)
		}
	}
}

func TestAMemoryReportSaysWhyAFrameIsNotValid(t *testing.T) {
	dev := &counter{}
	k := newKeeper(&Options{Policy: "samurai", IoU: 0.5}, published(t))
	prompt := dev.at(0)
	prompt.Prompted = true
	bank, _ := k.keep(nil, 1, prompt)
	low, zero := 0.9, 0.0
	for _, tt := range []struct {
		m    *token.Memory
		want string
	}{
		{&token.Memory{Frame: 1, IoU: 0.9, ObjectLogit: 1}, "first frame after the prompt"},
		{&token.Memory{Frame: 2, IoU: 0.5, ObjectLogit: 1}, "predicted IoU 0.500 <= 0.5"},
		{&token.Memory{Frame: 3, IoU: 0.9, ObjectLogit: 0}, "object logit 0.000 <= 0"},
		{&token.Memory{Frame: 4, IoU: 0.9, ObjectLogit: 1, KFScore: &zero}, "motion score 0.000 <= 0"},
		{&token.Memory{Frame: 5, IoU: 0.9, ObjectLogit: 1, KFScore: &low}, ""},
	} {
		m := dev.at(tt.m.Frame)
		m.IoU, m.ObjectLogit, m.KFScore = tt.m.IoU, tt.m.ObjectLogit, tt.m.KFScore
		if _, note := k.keep(bank, 1, m); note.Reason != tt.want || note.Valid != (tt.want == "") {
			t.Errorf("frame %d: %+v, want reason %q", tt.m.Frame, note, tt.want)
		}
	}
}

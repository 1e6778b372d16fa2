package memoryattend

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/teststage"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// memory makes one of a frame, which the caller releases.
func memory(b *teststage.Bench, frame int, prompted bool) *token.Memory {
	c := b.Model.Config()
	hw := c.Side() * c.Side()
	bits := make([]uint16, hw*c.MemDim())
	for i := range bits {
		bits[i] = uint16(0x3f00 + (i*31+frame*7)%64) // around 0.5
	}
	features, err := kernels.Write(b.Dev, kernels.BF16, bits, hw, c.MemDim())
	if err != nil {
		b.Fatal(err)
	}
	m := &token.Memory{Frame: frame, Prompted: prompted, Features: token.Share(b.Dev, features),
		Pointer: token.Share(b.Dev, b.Random(50+frame, c.Dim()))}
	b.Cleanup(func() { m.Features.Release(); m.Pointer.Release() })
	return m
}

func TestEachObjectIsConditionedOnItsOwnMemories(t *testing.T) {
	b := teststage.New(t)
	limit := 4
	node := b.Open(Stage, &Options{MaxPointers: &limit})

	h := b.Header(9, 1, 2, 3)
	h.Prompts = []token.Prompt{{Object: 1, Box: &token.Box{X1: 9, Y1: 9}}}
	f := b.Features(h)
	defer f.Release()
	prompted, old, recent, newest := memory(b, 0, true), memory(b, 5, false), memory(b, 7, false), memory(b, 8, false)
	// Object 1 has memories too, and must not look at them: it is prompted on this frame. Object 3
	// was prompted long ago and attends to its prompt alone.
	bank := &token.Bank{Objects: []*token.ObjectBank{
		{Object: 1, Newest: newest, Attend: []token.Slot{{Memory: newest}}},
		{Object: 2, Prompts: []*token.Memory{prompted}, Recent: []*token.Memory{recent, newest}, Pointers: []*token.Memory{old, recent, newest},
			Attend: []token.Slot{{Memory: prompted, TPos: 6}, {Memory: recent, TPos: 1}, {Memory: newest, TPos: 0}}},
		{Object: 3, Prompts: []*token.Memory{prompted}, Attend: []token.Slot{{Memory: prompted, TPos: 6}}},
	}}
	out := b.Fire(node, &In{f, bank})[0].(*Out).Conditioned
	defer out.Release()
	if out.Header != h || len(out.Objects) != 3 {
		t.Fatalf("%d objects of frame %d", len(out.Objects), out.Index)
	}

	plain, err := b.Model.WithoutMemory(f.F2)
	if err != nil {
		t.Fatal(err)
	}
	b.Same("prompted now", out.Objects[0], plain)

	// Pointers are read while they are fewer than 4 frames old, that of an attended prompt always.
	// Their distance is counted in the longest, 3. The one of frame 5 is 4 frames old.
	at := func(m *token.Memory) sam2.Pointer {
		return sam2.Pointer{Vector: m.Pointer.Tensor, Distance: float64(9-m.Frame) / 3}
	}
	in := func(m *token.Memory, tpos int) sam2.Memory {
		return sam2.Memory{Features: m.Features.Tensor, TPos: tpos}
	}
	for i, want := range []struct {
		memories []sam2.Memory
		pointers []sam2.Pointer
	}{
		{[]sam2.Memory{in(prompted, 6), in(recent, 1), in(newest, 0)}, []sam2.Pointer{at(prompted), at(recent), at(newest)}},
		{[]sam2.Memory{in(prompted, 6)}, []sam2.Pointer{at(prompted)}},
	} {
		x, err := b.Model.Condition(f.F2, want.memories, want.pointers)
		if err != nil {
			t.Fatal(err)
		}
		b.Same("tracked", out.Objects[i+1], x)
	}
	if slices.Equal(b.Bytes(out.Objects[1]), b.Bytes(out.Objects[2])) {
		t.Error("more memories change nothing")
	}
}

// The bench fails the test if the answers for the objects before stay allocated.
func TestAnObjectWithoutPromptAndMemoryIsNamed(t *testing.T) {
	b := teststage.New(t)
	node := b.Open(Stage, &Options{})
	h := b.Header(3, 1, 2)
	h.Prompts = []token.Prompt{{Object: 1, Box: &token.Box{X1: 9, Y1: 9}}}
	f := b.Features(h)
	defer f.Release()
	_, err := node.Fire(context.Background(), []any{&In{f, nil}})
	if err == nil || !strings.Contains(err.Error(), "object 2: no prompt and no memory") {
		t.Error(err)
	}
}

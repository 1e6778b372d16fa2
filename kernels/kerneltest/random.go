package kerneltest

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Random cases: every op at sizes that are 1, or a device's block, or one more or less than that,
// or anything. They are small enough for the reference to take some milliseconds.

// RandomOps names the ops that Random knows, which are all.
func RandomOps() []string { return slices.Sorted(maps.Keys(randoms)) }

// Random returns a case of an op. edges are sizes at which the device begins a new block, panel or
// task.
func Random(op string, seed uint64, edges []int) Case {
	h := fnv.New64a()
	fmt.Fprint(h, op, seed)
	d := &draw{rng{h.Sum64()}, edges}
	for {
		if what, cost, build := randoms[op](d); cost <= 3e6 {
			return Case{fmt.Sprintf("%s/%d %s", op, seed, what), build}
		}
	}
}

// draw makes choices.
type draw struct {
	rng
	edges []int
}

func (d *draw) below(n int) int  { return int(d.next() >> 33 % uint64(n)) }
func (d *draw) coin() bool       { return d.below(2) == 0 }
func (d *draw) of(of ...int) int { return of[d.below(len(of))] }

// n returns a size up to most: 1, or one near an edge, or any, small ones more often.
func (d *draw) n(most int) int {
	switch d.below(8) {
	case 0:
		return 1
	case 1, 2, 3, 4:
		for range 20 {
			if n := d.of(d.edges...) + d.below(3) - 1; n >= 1 && n <= most {
				return n
			}
		}
	}
	return 1 + d.below(1+d.below(most))
}

func (d *draw) act() kernels.Act { return kernels.Act(d.below(int(kernels.Step))) } // a step of nearly 0 is anything

// residual returns how many rows a residual has that is added to this many, 0 for none.
func (d *draw) residual(rows int) int {
	for n := rows; n > 0; n-- {
		if rows%n == 0 && d.coin() {
			return n
		}
	}
	return 0
}

// build makes an op on a device, after its sizes have been drawn.
type build = func(*Maker) kernels.Op

// optional is F32, or nil if there are no rows or channels.
func (m *Maker) optional(shape ...int) *kernels.Tensor {
	if slices.Contains(shape, 0) {
		return nil
	}
	return m.F32(shape...)
}

// randoms draw the sizes of an op and return them in words, the work of the reference, and the op.
var randoms = merged(productRandoms, attentionRandoms, rowRandoms, mapRandoms)

func merged[V any](families ...map[string]V) map[string]V {
	all := map[string]V{}
	for _, f := range families {
		maps.Copy(all, f)
	}
	return all
}

// elements is the length of an op on elements, now and then of several tasks.
func (d *draw) elements() int {
	if d.below(4) == 0 {
		return 30000 + d.below(70000)
	}
	return d.n(600)
}

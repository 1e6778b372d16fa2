package cpu

// #include "kernels.h"
import "C"

import "unsafe"

// tiling splits a product of m rows, n columns and depth k into tasks of rows x panels. The rows of
// a task fit in half of a second-level cache; a product with few rows is split by panels too, so
// that all workers have some.
type tiling struct {
	m, panels    int
	rows, cols   int // of a task, cols in panels
	down, across int // tasks
}

func (d *Device) tile(m, n, k int) tiling {
	const block = 256 << 10 // bytes
	t := tiling{m: m, panels: d.panels(n)}
	t.rows = min(m, max(48, min(192, block/(4*k)/48*48)))
	t.cols = t.panels
	want := 4 * d.threads()
	if 2*m*n*k < 1<<20 {
		want = 1 // not worth waking a worker
	}
	for ceil(m, t.rows) < want && t.rows > 48 {
		t.rows = max(48, t.rows/2/48*48)
	}
	if down := ceil(m, t.rows); down < want {
		t.cols = ceil(t.panels, min(t.panels, ceil(want, down)))
	}
	t.down, t.across = ceil(m, t.rows), ceil(t.panels, t.cols)
	return t
}

func (t tiling) tasks() int { return t.down * t.across }

// task returns the rows and panels of task i. The tasks on one block of rows come after each other.
func (t tiling) task(i int) (r0, r1, p0, p1 int) {
	r0, p0 = i/t.across*t.rows, i%t.across*t.cols
	return r0, min(t.m, r0+t.rows), p0, min(t.panels, p0+t.cols)
}

// runs cuts n queries of each of some heads into tasks of at most `most`, and returns where each
// starts, and n. Tasks shrink towards the end (guided self-scheduling) so that workers finish
// together; all but the last are multiples of unit.
func (d *Device) runs(n, heads, most, unit int) []int {
	starts := []int{0}
	for at := 0; at < n; starts = append(starts, at) {
		at += min(n-at, most, max(unit, (n-at)*heads/(4*d.threads())/unit*unit))
	}
	return starts
}

func (d *Device) nr() int           { return int(d.isa.nr) }
func (d *Device) panels(n int) int  { return ceil(n, d.nr()) }
func (d *Device) threads() int      { return d.pool.n }
func ceil(a, b int) int             { return (a + b - 1) / b }
func at(p *C.float, i int) *C.float { return (*C.float)(unsafe.Add(unsafe.Pointer(p), 4*i)) }

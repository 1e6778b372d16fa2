package cuda

import (
	"time"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// The ceilings that ops are held against (peak.cu).

type peakArgs struct {
	sink   uint64
	rounds int32
	_      int32
}

// PeakFLOPS measures the floating point operations per second of multiply-adds in registers: of
// mma.sync in the 16-bit precisions, which on Hopper is not all that its tensor cores can do, and
// of FMA in float32.
func (d *Device) PeakFLOPS() float64 {
	const threads, rounds = 256, 20_000
	blocks := 8 * d.processors
	perThread := 2.0 * 16
	if d.precision != Float32 {
		perThread = 2 * 8 * 16 * 8 * 16 / 32
	}
	sink, err := d.Alloc(kernels.F32, blocks*threads)
	if err != nil {
		return 0
	}
	defer d.Free(sink)
	return float64(blocks*threads*rounds) * perThread / d.best(func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		return launch(d, "peak_"+d.precision.String(), dim{blocks, 1, 1}, dim{threads, 1, 1}, 0, peakArgs{sink: address(sink), rounds: rounds})
	}).Seconds()
}

// CopyBandwidth measures the bytes per second, read and written, of a copy too large for the
// caches.
func (d *Device) CopyBandwidth() float64 {
	const size = 1 << 30
	x, err := d.Alloc(kernels.U8, size)
	if err != nil {
		return 0
	}
	defer d.Free(x)
	y, err := d.Alloc(kernels.U8, size)
	if err != nil {
		return 0
	}
	defer d.Free(y)
	return 2 * size / d.best(func() error { return d.Do(kernels.Cast{X: x, Y: y}) }).Seconds()
}

// best returns the shortest time of some rounds of work, each waited for.
func (d *Device) best(work func() error) time.Duration {
	best := time.Hour
	for range 8 {
		start := time.Now()
		if work() != nil || d.Sync() != nil {
			return time.Hour
		}
		best = min(best, time.Since(start))
	}
	return best
}

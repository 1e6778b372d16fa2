// Package cpu carries out the ops of package kernels on the processor: float32, all cores, own
// kernels in C.
//
// One text of each kernel is compiled for several instruction sets (isa_*.c) and the best one that
// the processor has is picked when a Device is made; the environment variable
// TACHI_CPU=plain|avx2|avx512 picks another. Go splits an op into tasks, each one call into C that
// runs for some ten microseconds to milliseconds, and the device's workers take them in turn. Every
// element of a result is computed by one fixed sequence of operations, so that results depend
// neither on the number of workers, nor on the split into tasks, nor on the batch.
package cpu

// #cgo CFLAGS: -O3 -Wall -Wno-psabi
// #cgo LDFLAGS: -lm
// #include "kernels.h"
import "C"

import (
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Device is a kernels.Device on the processor. Ops are done when Do returns.
type Device struct {
	isa  *isa
	pool *pool
	mem  memory
}

var _ kernels.Device = (*Device)(nil)

var processors = goruntime.GOMAXPROCS(0)

// Processors returns how many threads Go ran Go code on when the program began, which honours the
// quota of the container and GOMAXPROCS. A device raises GOMAXPROCS above it.
func Processors() int { return processors }

// spare is how many Ps (threads that may run Go code) there are beside the workers. Workers sit in
// cgo. Without idle Ps the scheduler retakes the P of every cgo call at once and wakes a thread
// that competes with a worker; with idle Ps it ignores calls under 10 ms. Decoding and encoding use
// some too.
const spare = 4

// New returns a device with a number of workers, 0 for one for each processor. It raises GOMAXPROCS
// above that.
func New(threads int) (*Device, error) {
	if threads < 0 {
		return nil, fmt.Errorf("cpu: %d threads", threads)
	}
	if threads == 0 {
		threads = processors
	}
	isa, err := pickISA(os.Getenv("TACHI_CPU"))
	if err != nil {
		return nil, err
	}
	return newDevice(isa, threads, cHeap{}, cacheLimit), nil
}

// isa is the kernels for one instruction set.
type isa = C.kernels

// newDevice returns a device with these kernels, a number of workers, and memory from a heap, of
// which it keeps some bytes.
func newDevice(kernels *isa, threads int, from heap, keep int) *Device {
	goruntime.GOMAXPROCS(max(goruntime.GOMAXPROCS(0), threads+spare))
	return &Device{isa: kernels, pool: newPool(threads), mem: memory{heap: from, keep: keep}}
}

// Info describes the processor and the instruction set in use.
func (d *Device) Info() kernels.Info {
	return kernels.Info{Name: "cpu", Model: model(), ISA: C.GoString(d.isa.name), Threads: d.pool.n}
}

// Sync returns at once: ops are done when Do returns.
func (d *Device) Sync() error { return nil }

// Close stops the workers and frees cached memory. Tensors still allocated are an error that says
// how many bytes.
func (d *Device) Close() error {
	d.pool.close()
	return d.mem.close()
}

// Do checks the op and carries it out.
func (d *Device) Do(op kernels.Op) error {
	if err := op.Check(); err != nil {
		return err
	}
	if kernels.HasHalf(op) {
		return &kernels.UnsupportedError{Device: "cpu", Op: op.Name() + " of 16-bit operands"}
	}
	switch op := op.(type) {
	case kernels.Linear:
		return d.linear(op)
	case kernels.MatMulNT:
		return d.matMulNT(op)
	case kernels.Conv2D:
		return d.conv2D(op)
	case kernels.DepthwiseConv:
		return d.depthwiseConv(op)
	case kernels.UpConv:
		return d.upConv(op)
	case kernels.Attention:
		return d.attention(op)
	case kernels.WindowAttention:
		return d.windowAttention(op)
	case kernels.RotaryAttention:
		return d.rotaryAttention(op)
	case kernels.RoPE:
		return d.rope(op)
	case kernels.LayerNorm:
		return d.layerNorm(op)
	case kernels.Add:
		return d.add(op)
	case kernels.Activate:
		return d.activate(op)
	case kernels.Cast:
		return d.cast(op)
	case kernels.Fill:
		return d.fill(op)
	case kernels.MaxPool:
		return d.maxPool(op)
	case kernels.UpsampleAdd:
		return d.upsampleAdd(op)
	case kernels.Resize:
		return d.resize(op)
	case kernels.Preprocess:
		return d.preprocess(op)
	case kernels.MaskBoxes:
		return d.maskBoxes(op)
	case kernels.CountAbove:
		return d.countAbove(op)
	}
	return &kernels.UnsupportedError{Device: "cpu", Op: op.Name()}
}

// isas returns the kernels that the processor can run, best first.
func isas() []*C.kernels {
	all := []*C.kernels{C.kernels_avx512(), C.kernels_avx2(), C.kernels_plain()}
	return slices.DeleteFunc(all, func(k *C.kernels) bool { return k == nil })
}

// available names the instruction sets that TACHI_CPU may ask for, best first.
func available() []string {
	var names []string
	for _, k := range isas() {
		names = append(names, C.GoString(k.name))
	}
	return names
}

// pickISA returns the named kernels, or the best that the processor can run.
func pickISA(name string) (*C.kernels, error) {
	if name == "" {
		return isas()[0], nil
	}
	if i := slices.Index(available(), name); i >= 0 {
		return isas()[i], nil
	}
	return nil, fmt.Errorf("cpu: TACHI_CPU=%s: this processor has %s", name, strings.Join(available(), ", "))
}

// model returns the processor's marketing name where the system tells it.
func model() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return goruntime.GOARCH
}

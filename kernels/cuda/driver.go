//go:build cuda

package cuda

import (
	_ "embed"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cuda/internal/cuext"
	"github.com/seed49bbd0e6/tachi/kernels/cuda/internal/libcuda"
)

// ptx is every kernel, compiled ahead (make ptx). The driver compiles it on for the GPU at hand,
// and keeps the result in a cache of its own.
//
//go:embed kernels.ptx
var ptx string

// driver is the backend of a GPU: its primary context, and in it one stream, on which everything is
// done in order.
type driver struct {
	name   string // cuda:N
	device cu.Device
	model  string
	cc     [2]int // compute capability
	cores  int    // multiprocessors

	ctx           cu.CUContext
	stream        cu.Stream
	captureStream cu.Stream // what is captured is launched here
	capturing     bool      // launches go to captureStream

	up, down staging
	lost     atomic.Pointer[LostError]

	mu      sync.Mutex           // of what follows
	texts   map[string][2]string // of the modules
	kernels map[string]*function
}

// function is a kernel that has been looked up.
type function struct {
	cu.Function
	module cu.Module
	shared int // what it may be launched with
}

// freeShared is the dynamic shared memory that every kernel may be launched with.
const freeShared = 48 << 10

// New opens a GPU by its index among those that the driver shows, which CUDA_VISIBLE_DEVICES
// limits.
func New(index int, p Precision) (*Device, error) {
	n, err := Devices()
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("cuda:%d", index)
	if index < 0 || index >= n {
		return nil, fmt.Errorf("%s: there are %d, counted from 0", name, n)
	}
	d := &driver{name: name, texts: split(ptx), kernels: map[string]*function{}}
	if err := d.open(index); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return newDevice(d, p), nil
}

// Devices returns the number of GPUs. It is at least 1 where there is no error.
func Devices() (int, error) {
	err := libcuda.Open()
	if _, ok := errors.AsType[*libcuda.LoadError](err); ok {
		if strings.Contains(err.Error(), "No such file") {
			return 0, errors.New("no CUDA device: libcuda.so.1 was not found; install the NVIDIA driver or use --device cpu")
		}
		return 0, fmt.Errorf("no CUDA device: the NVIDIA driver does not load: %w", err)
	}
	const noDevice = 100
	if e, ok := errors.AsType[*libcuda.InitError](err); ok && e.Code != noDevice {
		return 0, fmt.Errorf("no CUDA device: the NVIDIA driver does not start: %w", &cuext.Error{Code: e.Code})
	}
	n := 0
	if err == nil {
		if n, err = cu.NumDevices(); err != nil {
			return 0, fmt.Errorf("no CUDA device: %w", cuext.Of(err))
		}
	}
	if n == 0 {
		return 0, errors.New("no CUDA device: the NVIDIA driver shows none; see nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu")
	}
	return n, nil
}

// open fills in the driver. After an error close frees what there is.
func (d *driver) open(index int) (err error) {
	attribute := func(a cu.DeviceAttribute) (n int) {
		if err == nil {
			n, err = d.device.Attribute(a)
		}
		return n
	}
	if d.device, err = cu.GetDevice(index); err != nil {
		return d.failed("open", err)
	}
	if d.model, err = d.device.Name(); err != nil {
		return d.failed("open", err)
	}
	d.cc = [2]int{attribute(cu.ComputeCapabilityMajor), attribute(cu.ComputeCapabilityMinor)}
	d.cores = attribute(cu.MultiprocessorCount)
	if err != nil {
		return d.failed("open", err)
	}
	if need := requirements(ptx); d.cc[0]*10+d.cc[1] < need.arch {
		return fmt.Errorf("%s: %s has compute capability %d.%d, and the kernels need %d.%d; use --device cpu", d.name, d.model,
			d.cc[0], d.cc[1], need.arch/10, need.arch%10)
	}
	_ = d.device.SetPrimaryCtxFlags(cu.SchedBlockingSync) // whoever waits leaves the core to others; fails where the context is open
	ctx, err := d.device.RetainPrimaryCtx()
	if err != nil {
		return d.failed("context", err)
	}
	d.ctx = ctx
	if _, err := d.function("fill", 0); err != nil { // any: the driver takes all or none
		return d.refused(err)
	}
	for _, s := range []*cu.Stream{&d.stream, &d.captureStream} {
		if err := d.do("stream", func() (err error) { *s, err = cu.MakeStream(cu.NonBlocking); return err }); err != nil {
			return err
		}
	}
	if d.up, err = d.newStaging(8, uploadChunk); err != nil {
		return err
	}
	d.down, err = d.newStaging(4, 0)
	return err
}

// refused explains why the driver did not take the PTX.
func (d *driver) refused(err error) error {
	const noBinary, invalidPTX, unsupportedPTX = 209, 218, 222
	e, ok := errors.AsType[*cuext.Error](err)
	if ok && (e.Code == noBinary || e.Code == invalidPTX || e.Code == unsupportedPTX) {
		have, need := cu.Version(), requirements(ptx)
		if have/1000*100+have%1000/10 < need.cuda {
			return fmt.Errorf("%s: the driver is too old: it is for CUDA %d.%d, and the kernels need %d.%d; update the NVIDIA driver or use --device cpu",
				d.name, have/1000, have%1000/10, need.cuda/100, need.cuda%100)
		}
	}
	return d.failed("kernels", err)
}

func (d *driver) info() kernels.Info {
	return kernels.Info{Name: d.name, Model: d.model, ISA: fmt.Sprintf("sm_%d%d", d.cc[0], d.cc[1]), Threads: d.cores}
}

// do calls gorgonia.org/cu, which works in the context that is current in the thread.
func (d *driver) do(what string, f func() error) error {
	if err := d.gone(); err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cu.SetCurrentContext(d.ctx)
	if err == nil {
		err = f()
	}
	return d.failed(what, err)
}

func (d *driver) alloc(bytes int) (at uint64, err error) {
	err = d.do("alloc", func() error {
		p, err := cu.MemAlloc(int64(bytes))
		at = uint64(p)
		return err
	})
	const outOfMemory = 2
	if e, ok := errors.AsType[*cuext.Error](err); ok && e.Code == outOfMemory {
		return 0, &kernels.OutOfMemoryError{Device: d.name, Asked: bytes}
	}
	return at, err
}

// free waits for what is queued, as the driver has it.
func (d *driver) free(at uint64) error {
	return d.do("free", func() error { return cu.MemFree(cu.DevicePtr(at)) })
}

func (d *driver) launch(kernel string, grid, block dim, shared int, args unsafe.Pointer, size uintptr) error {
	if err := d.gone(); err != nil {
		return err
	}
	f, err := d.function(kernel, shared)
	on := d.stream
	if d.capturing {
		on = d.captureStream
	}
	if err == nil {
		err = cuext.Launch(d.ctx, f, [3]int{grid.x, grid.y, grid.z}, [3]int{block.x, block.y, block.z}, shared, on, args, size)
	}
	return d.failed(kernel, err)
}

// function returns a kernel, ready to be launched with so much shared memory.
func (d *driver) function(kernel string, shared int) (cu.Function, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.kernels[kernel]
	if f == nil {
		text, ok := d.texts[kernel]
		if !ok {
			return cu.Function{}, errors.New("no such kernel")
		}
		f = &function{shared: freeShared}
		var err error
		if f.module, err = cuext.Load(d.ctx, text[0]+text[1]); err != nil {
			return cu.Function{}, err
		}
		if f.Function, err = f.module.Function(kernel); err != nil {
			return cu.Function{}, errors.Join(err, d.do("kernels", f.module.Unload))
		}
		d.kernels[kernel] = f
	}
	if shared > f.shared {
		if err := cuext.AllowShared(d.ctx, f.Function, shared); err != nil {
			return cu.Function{}, err
		}
		f.shared = shared
	}
	return f.Function, nil
}

// capturedGraph is a captured graph.
type capturedGraph struct {
	d *driver
	g cuext.Graph
}

func (c *capturedGraph) close() error { return c.d.failed("graph", c.g.Free(c.d.ctx)) }

// capture and launch are called by one goroutine at a time.
func (d *driver) capture(queue func() error) (captured, error) {
	if err := d.gone(); err != nil {
		return nil, err
	}
	if err := cuext.BeginCapture(d.ctx, d.captureStream); err != nil {
		return nil, d.failed("capture", err)
	}
	d.capturing = true
	failed := queue()
	d.capturing = false
	g, err := cuext.EndCapture(d.ctx, d.captureStream)
	if failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, d.failed("capture", err)
	}
	return &capturedGraph{d, g}, nil
}

func (d *driver) replay(c captured) error {
	if err := d.gone(); err != nil {
		return err
	}
	return d.failed("graph", c.(*capturedGraph).g.Launch(d.ctx, d.stream))
}

func (d *driver) sync() error {
	if err := d.gone(); err != nil {
		return err
	}
	return d.failed("sync", cuext.WaitStream(d.ctx, d.stream))
}

func (d *driver) close() error {
	if d.ctx == (cu.CUContext{}) {
		return nil
	}
	var err error
	if d.stream != (cu.Stream{}) {
		err = d.sync()
	}
	err = errors.Join(err, d.freeStaging(d.up), d.freeStaging(d.down))
	for _, s := range []*cu.Stream{&d.stream, &d.captureStream} {
		if *s != (cu.Stream{}) {
			err = errors.Join(err, d.do("stream", s.Destroy))
		}
	}
	for _, f := range d.kernels {
		err = errors.Join(err, d.do("kernels", f.module.Unload))
	}
	err = errors.Join(err, d.failed("context", d.device.ReleasePrimaryCtx()))
	d.ctx = cu.CUContext{}
	if d.lost.Load() != nil {
		return nil // the op that lost it has said so, and memory of a lost device is free
	}
	return err
}

// LostError says that a GPU stopped in the middle of something, after which nothing can be done on
// it any more.
type LostError struct {
	Device string
	During string // the call that was told, some time after what went wrong
	Err    error
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%s: the device is lost, noticed in %s: %v; every later call fails: start again", e.Device, e.During, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// sticky are the results after which a context cannot be used.
var sticky = map[int]bool{
	214: true, 220: true, // uncorrectable errors of memory and NVLink
	700: true, 702: true, // illegal address, timeout
	710: true, 714: true, 715: true, 716: true, 717: true, 718: true, 719: true, // assertions and other failures of a kernel
}

// failed names the call that an error comes from, and remembers the error if it lost the device.
func (d *driver) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	err = cuext.Of(err)
	if e, ok := errors.AsType[*cuext.Error](err); ok && sticky[e.Code] {
		d.lost.CompareAndSwap(nil, &LostError{d.name, what, err})
		return d.lost.Load()
	}
	return fmt.Errorf("%s: %s: %w", d.name, what, err)
}

// gone returns the error that lost the device, if one did.
func (d *driver) gone() error {
	if e := d.lost.Load(); e != nil {
		return e
	}
	return nil
}

// MemInfo returns the memory of the GPU that nobody uses, and all of it.
func (d *Device) MemInfo() (free, total int, err error) {
	be := d.be.(*driver)
	err = be.do("memory", func() error {
		f, t, err := cu.MemInfo()
		free, total = int(f), int(t)
		return err
	})
	return free, total, err
}

// requirement is what PTX asks of the driver and the GPU.
type requirement struct {
	cuda int // version, 1204 for 12.4
	arch int // compute capability, 80 for 8.0
}

// requirements reads them off the directives .version and .target. From 7.0 to 8.4, PTX is numbered
// four behind CUDA.
func requirements(ptx string) (r requirement) {
	for line := range strings.Lines(ptx) {
		var major, minor int
		if n, _ := fmt.Sscanf(line, ".version %d.%d", &major, &minor); n == 2 {
			r.cuda = (major+4)*100 + minor
		}
		if n, _ := fmt.Sscanf(line, ".target sm_%d", &r.arch); n == 1 {
			return r
		}
	}
	return r
}

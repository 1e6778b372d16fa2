// Package cuda carries out the ops of package kernels on an NVIDIA GPU, through the driver alone.
//
// The kernels are CUDA C++ (*.cu), compiled ahead to PTX and embedded; every one is an extern "C"
// function that takes one struct by value, whose twin in Go stands beside the code that launches
// it. All work runs on one stream, so what is queued later sees what was queued before, and memory
// that is given back may be handed out again at once.
//
// Tensors are float32. Products and attention multiply in the device's Precision: Float32, or on
// the tensor cores BFloat16 or Float16 with sums in float32. Weights are kept in that precision.
//
// Without the build tag cuda the package holds no driver but an emulator: the same .cu files
// compiled as C++, one fiber for each CUDA thread, which the tests run the device on where there is
// no GPU.
package cuda

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Precision is the type in which products and attention multiply. Sums are float32 in all of them.
type Precision uint8

const (
	Float32 Precision = iota
	BFloat16
	Float16
)

// Size returns the bytes of an element.
func (p Precision) Size() int {
	if p == Float32 {
		return 4
	}
	return 2
}

func (p Precision) String() string { return [...]string{"f32", "bf16", "f16"}[p] }

// ParsePrecision returns the precision of a name as String gives it.
func ParsePrecision(name string) (Precision, error) {
	for _, p := range []Precision{Float32, BFloat16, Float16} {
		if p.String() == name {
			return p, nil
		}
	}
	return 0, fmt.Errorf("no precision %q: there are f32, bf16 and f16", name)
}

// Device is a kernels.Device on a GPU.
type Device struct {
	be        backend
	precision Precision

	processors int // of the GPU, that work is cut into parts for

	mu       sync.Mutex // of what follows, and of the order of an op's launches
	live     int        // bytes of tensors not freed
	tensors  int
	borrowed block       // memory for the op under way, from the scope that has it done
	scratch  block       // the same of the device's own, where none is borrowed
	retired  []block     // earlier scratch, which what is queued or recorded may still use
	args     *launchArgs // of the launch under way
	target   *batch      // what launches are recorded in; nil: they are queued at once
	graphs   graphs
	tables   map[tableKey]block
}

// block is memory on the device.
type block struct {
	at   uint64
	size int
}

// buffer is the memory of one tensor.
type buffer struct {
	block
	freed bool
}

func (b *buffer) Bytes() int { return b.size }

var _ kernels.Device = (*Device)(nil)
var _ kernels.Sizer = (*Device)(nil)
var _ kernels.Batcher = (*Device)(nil)

func newDevice(be backend, p Precision) *Device {
	return &Device{be: be, precision: p, processors: be.info().Threads, args: new(launchArgs)}
}

// Info describes the GPU.
func (d *Device) Info() kernels.Info {
	i := d.be.info()
	i.ISA += " " + d.precision.String()
	return i
}

// Alloc returns a row-major tensor with undefined content.
func (d *Device) Alloc(dt kernels.DType, shape ...int) (*kernels.Tensor, error) {
	t := &kernels.Tensor{DType: dt, Shape: append([]int(nil), shape...)}
	for _, n := range shape {
		if n < 0 {
			return nil, fmt.Errorf("cuda: alloc %v: negative length", t)
		}
	}
	b, err := d.alloc(t.Bytes())
	if err != nil {
		return nil, err
	}
	t.Buf = b
	return t, nil
}

func (d *Device) alloc(size int) (*buffer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, err := d.be.alloc(max(size, 1))
	if err != nil {
		if full, ok := errors.AsType[*kernels.OutOfMemoryError](err); ok {
			full.Live = d.live
		}
		return nil, err
	}
	d.tensors++
	d.live += size
	return &buffer{block: block{at, size}}, nil
}

// Free returns the memory of a tensor from Alloc or Pack. Freeing nil or a view does nothing.
func (d *Device) Free(t *kernels.Tensor) {
	if t == nil || t.View {
		return
	}
	b, ok := t.Buf.(*buffer)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if b.freed {
		return
	}
	for open := range d.graphs.open {
		_ = open.flush() // says it again at the next op: what was recorded may use this memory
	}
	b.freed = true
	d.tensors--
	d.live -= b.size
	_ = d.be.free(b.at) // fails only when the device is lost, which the next op says
}

// Upload copies host bytes, row-major and little-endian, into dst.
func (d *Device) Upload(dst *kernels.Tensor, src []byte) error {
	if err := transferable(dst, len(src)); err != nil {
		return fmt.Errorf("cuda: upload: %w", err)
	}
	if len(src) == 0 {
		return nil
	}
	return d.be.upload(address(dst), src)
}

// Download copies the elements of src to the host, after all ops that write them.
func (d *Device) Download(dst []byte, src *kernels.Tensor) error {
	if err := transferable(src, len(dst)); err != nil {
		return fmt.Errorf("cuda: download: %w", err)
	}
	if len(dst) == 0 {
		return nil
	}
	return d.be.download(dst, address(src))
}

func transferable(t *kernels.Tensor, host int) error {
	switch {
	case t == nil:
		return errors.New("no tensor")
	case t.Layout != kernels.RowMajor:
		return fmt.Errorf("%v is packed", t)
	case t.Bytes() != host:
		return fmt.Errorf("%v has %d bytes, the host %d", t, t.Bytes(), host)
	}
	_, ok := t.Buf.(*buffer)
	if !ok {
		return fmt.Errorf("%v has no memory on this device", t)
	}
	return nil
}

// Sync waits for everything queued.
func (d *Device) Sync() error { return d.be.sync() }

// Close frees what the device holds for itself. Tensors still allocated are an error that says how
// many bytes.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	for _, b := range append(d.retired, d.scratch) {
		if b.size > 0 {
			err = errors.Join(err, d.be.free(b.at))
		}
	}
	err = errors.Join(err, d.graphs.close())
	for _, b := range d.tables {
		err = errors.Join(err, d.be.free(b.at))
	}
	if d.tensors > 0 {
		err = errors.Join(err, fmt.Errorf("cuda: %d tensors of %d bytes are still allocated", d.tensors, d.live))
	}
	return errors.Join(err, d.be.close())
}

// address returns where the first element of a tensor lies on the device, 0 for no tensor.
func address(t *kernels.Tensor) uint64 {
	if t == nil {
		return 0
	}
	return t.Buf.(*buffer).at + uint64(t.Off*t.DType.Size())
}

// launchArgs has room for the arguments of any kernel.
type launchArgs [64]uint64

// launch queues a kernel with its struct of arguments. The caller holds mu.
func launch[A any](d *Device, kernel string, grid, block dim, shared int, args A) error {
	if grid.x == 0 || grid.y == 0 || grid.z == 0 {
		return nil
	}
	size := unsafe.Sizeof(args)
	if size > unsafe.Sizeof(*d.args) {
		panic("cuda: the arguments of " + kernel + " are larger than launchArgs")
	}
	*(*A)(unsafe.Pointer(d.args)) = args // one place for all, or else it would be allocated anew for each launch
	if d.target != nil {
		return d.target.record(kernel, grid, block, shared, unsafe.Slice((*byte)(unsafe.Pointer(d.args)), size))
	}
	return d.be.launch(kernel, grid, block, shared, unsafe.Pointer(d.args), size)
}

// reserve returns the address of at least size bytes of memory for the op under way. An op asks
// once, while it holds mu.
func (d *Device) reserve(size int) (uint64, error) {
	if d.borrowed.size >= size {
		return d.borrowed.at, nil
	}
	if d.scratch.size < size {
		at, err := d.be.alloc(size)
		if err != nil {
			return 0, err
		}
		if d.scratch.size > 0 {
			d.retired = append(d.retired, d.scratch)
		}
		d.scratch = block{at, size}
	}
	return d.scratch.at, nil
}

// Do checks the op and queues it.
func (d *Device) Do(op kernels.Op) error {
	if err := op.Check(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.do(op)
}

// do launches the kernels of an op. The caller holds mu.
func (d *Device) do(op kernels.Op) error {
	switch op := op.(type) {
	case kernels.Linear:
		return d.linear(op)
	case kernels.MatMulNT:
		return d.matMulNT(op)
	case kernels.Conv2D:
		return d.conv2D(op)
	case kernels.UpConv:
		return d.upConv(op)
	case kernels.Add:
		return d.add(op)
	case kernels.Activate:
		return d.activate(op)
	case kernels.Fill:
		return d.fill(op)
	case kernels.Cast:
		return d.cast(op)
	case kernels.LayerNorm:
		return d.layerNorm(op)
	case kernels.RoPE:
		return d.rope(op)
	case kernels.MaxPool:
		return d.maxPool(op)
	case kernels.UpsampleAdd:
		return d.upsampleAdd(op)
	case kernels.DepthwiseConv:
		return d.depthwiseConv(op)
	case kernels.Resize:
		return d.resize(op)
	case kernels.Preprocess:
		return d.preprocess(op)
	case kernels.MaskBoxes:
		return d.maskBoxes(op)
	case kernels.CountAbove:
		return d.countAbove(op)
	case kernels.Attention:
		return d.attention(op)
	case kernels.WindowAttention:
		return d.windowAttention(op)
	case kernels.RotaryAttention:
		return d.rotaryAttention(op)
	}
	return &kernels.UnsupportedError{Device: "cuda", Op: op.Name()}
}

func ceil(a, b int) int { return (a + b - 1) / b }

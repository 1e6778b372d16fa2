// Package null is the device that computes nothing: it checks every op, counts the work it would
// be, and counts the bytes that would be resident. A dry run of a whole network takes milliseconds
// and tells a plan its numbers.
package null

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"sync"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Count is what a run asked of one kind of op.
type Count struct {
	Ops int // calls
	kernels.Cost
}

// Device counts. The zero value is ready for use, by several goroutines at once.
type Device struct {
	mu      sync.Mutex
	ops     map[string]Count
	live    map[*buffer]struct{}
	now     int64
	peak    int64
	scratch int
	answer  float32

	operandType kernels.DType

	sizer    kernels.Sizer    // nil: packed weights without padding, ops without scratch memory
	borrower kernels.Borrower // nil: no op borrows
}

// New returns a device with nothing counted.
func New() *Device { return &Device{} }

// Like returns a device that counts what another one would take.
func Like(dev kernels.Device) *Device {
	d := &Device{operandType: kernels.OperandType(dev)}
	d.sizer, _ = kernels.Find[kernels.Sizer](dev)
	d.borrower, _ = kernels.Find[kernels.Borrower](dev)
	return d
}

// BorrowedBytes implements kernels.Borrower.
func (d *Device) BorrowedBytes(op kernels.Op) int {
	if d.borrower == nil {
		return 0
	}
	return d.borrower.BorrowedBytes(op)
}

// OperandType implements kernels.HalfPrecision.
func (d *Device) OperandType() kernels.DType { return d.operandType }

// Answer sets what every downloaded float32 is, 0 at first: a network answers it to every question,
// so that a dry run can go either way.
func (d *Device) Answer(v float32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = v
}

// Scratch returns the most memory that an op would have needed beside its operands, from the
// device.
func (d *Device) Scratch() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.scratch
}

var _ kernels.Device = (*Device)(nil)

// buffer is a size without memory.
type buffer struct{ bytes int }

func (b *buffer) Bytes() int { return b.bytes }

func (d *Device) Info() kernels.Info {
	return kernels.Info{Name: "null", Model: "counts, computes nothing"}
}

// Alloc counts the bytes of a tensor.
func (d *Device) Alloc(dt kernels.DType, shape ...int) (*kernels.Tensor, error) {
	t := &kernels.Tensor{DType: dt, Shape: append([]int(nil), shape...)}
	for _, n := range shape {
		if n < 0 {
			return nil, fmt.Errorf("null: alloc %v: negative length", t)
		}
	}
	b := &buffer{t.Bytes()}
	t.Buf = b

	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live == nil {
		d.live = map[*buffer]struct{}{}
	}
	d.live[b] = struct{}{}
	d.now += int64(b.bytes)
	d.peak = max(d.peak, d.now)
	return t, nil
}

// Free counts the bytes back, once for each tensor of Alloc or Pack.
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
	if _, ok := d.live[b]; ok {
		delete(d.live, b)
		d.now -= int64(b.bytes)
	}
}

// Upload checks the length.
func (d *Device) Upload(dst *kernels.Tensor, src []byte) error {
	return d.transfer("upload", dst, len(src))
}

// Download checks the length and gives the answer, zeros for other types than float32.
func (d *Device) Download(dst []byte, src *kernels.Tensor) error {
	if err := d.transfer("download", src, len(dst)); err != nil {
		return err
	}
	clear(dst)
	d.mu.Lock()
	bits := math.Float32bits(d.answer)
	d.mu.Unlock()
	if src.DType == kernels.F32 {
		for i := 0; i < len(dst); i += 4 {
			binary.LittleEndian.PutUint32(dst[i:], bits)
		}
	}
	return nil
}

func (d *Device) transfer(what string, t *kernels.Tensor, host int) error {
	if err := d.holds(t); err != nil {
		return fmt.Errorf("null: %s: %w", what, err)
	}
	if t.Layout != kernels.RowMajor || t.Bytes() != host {
		return fmt.Errorf("null: %s: %v has %d bytes, the host %d", what, t, t.Bytes(), host)
	}
	return nil
}

// Pack counts weights in their packed form.
func (d *Device) Pack(w *kernels.Tensor) (*kernels.Tensor, error) {
	if err := d.holds(w); err != nil {
		return nil, fmt.Errorf("null: pack: %w", err)
	}
	if w.DType != kernels.F32 || w.Layout != kernels.RowMajor || len(w.Shape) != 2 {
		return nil, fmt.Errorf("null: pack: got %v, want row-major f32[n,k]", w)
	}
	bytes := w.Bytes()
	if d.sizer != nil {
		bytes = d.sizer.PackedBytes(w.Dim(0), w.Dim(1))
	}
	p, err := d.Alloc(kernels.U8, bytes)
	if err != nil {
		return nil, err
	}
	p.DType, p.Layout, p.Shape = w.DType, kernels.Packed, append([]int(nil), w.Shape...)
	return p, nil
}

// Do checks the op and adds its cost.
func (d *Device) Do(op kernels.Op) error {
	if err := op.Check(); err != nil {
		return err
	}
	cost, scratch := op.Cost(), 0
	if d.sizer != nil {
		scratch = d.sizer.ScratchBytes(op)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.scratch = max(d.scratch, scratch)
	if d.ops == nil {
		d.ops = map[string]Count{}
	}
	c := d.ops[op.Name()]
	c.Ops++
	c.FLOP += cost.FLOP
	c.Bytes += cost.Bytes
	d.ops[op.Name()] = c
	return nil
}

func (d *Device) Sync() error { return nil }

// Close reports tensors that were not freed.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.live) > 0 {
		return fmt.Errorf("null: %d tensors of %d bytes are still allocated", len(d.live), d.now)
	}
	return nil
}

// Ops returns what was asked so far, by op name.
func (d *Device) Ops() map[string]Count {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.ops)
}

// Total sums the costs of all ops.
func (d *Device) Total() kernels.Cost {
	d.mu.Lock()
	defer d.mu.Unlock()
	var t kernels.Cost
	for _, c := range d.ops {
		t.FLOP += c.FLOP
		t.Bytes += c.Bytes
	}
	return t
}

// Live returns the bytes allocated now, Peak the most since the device was made or Reset.
func (d *Device) Live() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *Device) Peak() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peak
}

// Reset forgets the ops and lets the peak start from what is live.
func (d *Device) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.ops)
	d.peak = d.now
}

// holds returns an error unless a tensor's memory is this device's and not yet freed.
func (d *Device) holds(t *kernels.Tensor) error {
	if t == nil {
		return fmt.Errorf("no tensor")
	}
	b, ok := t.Buf.(*buffer)
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, live := d.live[b]; !ok || !live {
		return fmt.Errorf("%v has no memory on this device", t)
	}
	return nil
}

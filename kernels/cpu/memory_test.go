package cpu

import (
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/kerneltest"
)

func TestLiveAndPeakCountTheBytesOfTensors(t *testing.T) {
	d := open(t, "plain", 1)
	a, _ := d.Alloc(kernels.F32, 10, 10)
	b, _ := d.Alloc(kernels.U8, 7)
	if d.Live() != 407 {
		t.Errorf("live is %d, want 407", d.Live())
	}
	d.Free(a.Reshape(100)) // a view: nothing
	d.Free(b)
	d.Free(b) // twice: nothing
	d.Free(nil)
	if d.Live() != 400 || d.Peak() != 407 {
		t.Errorf("live %d, peak %d, want 400, 407", d.Live(), d.Peak())
	}
	d.Free(a)
	if d.Live() != 0 {
		t.Errorf("live is %d at the end", d.Live())
	}
}

func TestFreedMemoryIsUsedAgain(t *testing.T) {
	d := open(t, "plain", 1)
	a, _ := d.Alloc(kernels.F32, 1000)
	p := addr(a)
	d.Free(a)
	b, _ := d.Alloc(kernels.F32, 999)
	if addr(b) != p {
		t.Error("a block of the same class was not reused")
	}
	if uintptr(p)%64 != 0 {
		t.Errorf("block at %p is not aligned", p)
	}
	d.Free(b)
}

func TestCacheOfFreedMemoryIsBounded(t *testing.T) {
	d := open(t, "plain", 1)
	var ts []*kernels.Tensor
	for range 5 {
		x, err := d.Alloc(kernels.U8, cacheLimit/4)
		if err != nil {
			t.Fatal(err)
		}
		ts = append(ts, x)
	}
	for _, x := range ts {
		d.Free(x)
	}
	if d.mem.cached > cacheLimit || d.mem.cached < cacheLimit/2 {
		t.Errorf("%d bytes are kept, the limit is %d", d.mem.cached, cacheLimit)
	}
}

func TestSizeClassesWasteAtMostAQuarter(t *testing.T) {
	for n := 257; n < 1<<20; n += n/7 + 1 {
		if c := class(n); c < n || c > n+n/4 || class(c) != c || c%64 != 0 {
			t.Errorf("class(%d) = %d", n, c)
		}
	}
}

func TestCloseSaysWhatWasNotFreed(t *testing.T) {
	d, err := New(2)
	if err != nil {
		t.Fatal(err)
	}
	d.Alloc(kernels.F32, 25)
	if err := d.Close(); err == nil || !strings.Contains(err.Error(), "100 bytes in 1 tensors") {
		t.Errorf("close says %v", err)
	}
}

func TestImpossibleRequestsAreErrors(t *testing.T) {
	d := open(t, "", 1)
	if _, err := d.Alloc(kernels.F32, -1); err == nil {
		t.Error("a negative size was allocated")
	}
	if _, err := d.Alloc(kernels.F32, 1<<40, 1<<40); err == nil {
		t.Error("more bytes than an int holds were allocated")
	}
	if _, err := d.Alloc(kernels.F32, 1<<43); err == nil {
		t.Error("32 TiB were allocated")
	}
	x, _ := d.Alloc(kernels.F32, 4)
	defer d.Free(x)
	if err := d.Upload(x, make([]byte, 15)); err == nil {
		t.Error("15 bytes were uploaded to 16")
	}
	if err := d.Download(make([]byte, 17), x); err == nil {
		t.Error("16 bytes were downloaded to 17")
	}
}

func TestAskingForAnUnknownInstructionSetNamesTheKnown(t *testing.T) {
	t.Setenv("TACHI_CPU", "avx9000")
	if _, err := New(1); err == nil || !strings.Contains(err.Error(), "plain") {
		t.Errorf("New says %v", err)
	}
	if _, err := New(-1); err == nil {
		t.Error("a device with -1 threads was made")
	}
}

// declared adds up what ops say of their scratch memory.
type declared struct {
	*Device
	most int
}

func (d *declared) Do(op kernels.Op) error {
	if op.Check() == nil {
		d.most = max(d.most, d.ScratchBytes(op))
	}
	return d.Device.Do(op)
}

func TestScratchMemoryIsWhatTheOpsDeclare(t *testing.T) {
	for _, isa := range sets() {
		d := &declared{Device: open(t, isa, 3)}
		kerneltest.Run(t, d)
		got := 0
		for _, s := range d.mem.scratch {
			got += s.size
		}
		if got == 0 || got > d.most {
			t.Errorf("%s: the workers hold %d bytes of scratch memory, ops declare %d", isa, got, d.most)
		}
	}
}

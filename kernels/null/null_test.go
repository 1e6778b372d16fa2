package null_test

import (
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/kerneltest"
	"github.com/seed49bbd0e6/tachi/kernels/null"
)

func TestLifecycle(t *testing.T) {
	kerneltest.Lifecycle(t, func() kernels.Device { return null.New() })
}

func TestOpsAreCountedByName(t *testing.T) {
	d := null.New()
	x, _ := d.Alloc(kernels.F32, 10, 4)
	for range 3 {
		if err := d.Do(kernels.Fill{Y: x, Value: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Do(kernels.Add{A: x, B: x, Y: x, Alpha: 1}); err != nil {
		t.Fatal(err)
	}
	if got := d.Ops()["fill"]; got.Ops != 3 || got.Bytes != 3*160 || got.FLOP != 0 {
		t.Errorf("fill: got %+v, want 3 ops, 480 bytes", got)
	}
	if got, want := d.Total(), (kernels.Cost{FLOP: 80, Bytes: 3*160 + 3*160}); got != want {
		t.Errorf("total: got %+v, want %+v", got, want)
	}
	d.Reset()
	if got := d.Total(); got != (kernels.Cost{}) {
		t.Errorf("after Reset: %+v", got)
	}
}

func TestARefusedOpIsNotCounted(t *testing.T) {
	d := null.New()
	x, _ := d.Alloc(kernels.F32, 4)
	y, _ := d.Alloc(kernels.F32, 5)
	if err := d.Do(kernels.Activate{X: x, Y: y}); err == nil {
		t.Error("lengths 4 and 5: no error")
	}
	if len(d.Ops()) != 0 {
		t.Errorf("counted %v", d.Ops())
	}
}

func TestPeakIsTheMostThatWasLiveAtOnce(t *testing.T) {
	d := null.New()
	a, _ := d.Alloc(kernels.F32, 100)
	b, _ := d.Alloc(kernels.U8, 50)
	d.Free(a)
	d.Free(a)
	c, _ := d.Alloc(kernels.BF16, 100)
	if d.Live() != 250 || d.Peak() != 450 {
		t.Errorf("live %d, peak %d, want 250, 450", d.Live(), d.Peak())
	}
	d.Reset()
	if d.Peak() != 250 {
		t.Errorf("peak after Reset: %d, want 250", d.Peak())
	}
	d.Free(b)
	d.Free(c)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

package token

import (
	"bytes"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
)

// memory makes a memory whose tensors hold its frame's number.
func memory(t *testing.T, dev kernels.Device, frame int) *Memory {
	t.Helper()
	features, err := kernels.Write(dev, kernels.BF16, []uint16{uint16(frame), 2, 3, 4}, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	pointer, err := kernels.Write(dev, kernels.F32, []float32{float32(frame), 0.1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	score := 0.25 * float64(frame)
	return &Memory{Frame: frame, Features: Share(dev, features), Pointer: Share(dev, pointer), IoU: 0.7, ObjectLogit: 3, KFScore: &score, Prompted: frame == 0}
}

// bank has memories 0 to 4: a prompt, two recent ones, one of which only the pointer is kept, and a
// newest.
func bank(t *testing.T, dev kernels.Device) *Bank {
	var m []*Memory
	for i := range 5 {
		m = append(m, memory(t, dev, i))
	}
	o := &ObjectBank{Object: 3, First: 0, Prompts: m[:1], Recent: m[2:4], Newest: m[4], Pointers: m[1:5],
		Attend: []Slot{{m[0], 6}, {m[2], 2}, {m[3], 1}, {m[4], 0}}}
	o.Retain()
	for _, x := range m {
		x.Features.Release()
		x.Pointer.Release()
	}
	return &Bank{Objects: []*ObjectBank{o}}
}

func TestABankComesBackFromACheckpoint(t *testing.T) {
	dev, err := cpu.New(1)
	if err != nil {
		t.Fatal(err)
	}
	b := bank(t, dev)
	before := dev.Live()
	data, err := b.Save()
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
	if dev.Live() != 0 {
		t.Fatalf("%d bytes are left of the bank", dev.Live())
	}
	v, err := (*Bank)(nil).Load(dev, data)
	if err != nil {
		t.Fatal(err)
	}
	again := v.(*Bank)
	if dev.Live() != before {
		t.Errorf("%d bytes, before %d", dev.Live(), before)
	}
	o := again.Find(3)
	if o == nil || len(o.Prompts) != 1 || len(o.Recent) != 2 || len(o.Pointers) != 4 || o.Newest == nil || len(o.Attend) != 4 {
		t.Fatalf("%+v", o)
	}
	if o.Newest != o.Pointers[3] || o.Recent[0] != o.Attend[1].Memory || o.Pointers[0].Features != nil || *o.Recent[1].KFScore != 0.75 {
		t.Error("the lists do not share their memories as before")
	}
	got, err := kernels.Read[float32](dev, o.Pointers[0].Pointer.Tensor)
	if err != nil || got[0] != 1 || got[1] != 0.1 {
		t.Errorf("pointer of frame 1: %v, %v", got, err)
	}
	second, err := again.Save()
	if err != nil || !bytes.Equal(data, second) {
		t.Errorf("saved again it differs (%v)", err)
	}
	again.Release()
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnEmptyBankComesBack(t *testing.T) {
	data, err := (*Bank)(nil).Save()
	if err != nil {
		t.Fatal(err)
	}
	if v, err := (*Bank)(nil).Load(nil, data); err != nil || len(v.(*Bank).Objects) != 0 {
		t.Errorf("%v, %v", v, err)
	}
}

// A checkpoint is a file, and may hold anything: that is an error, and leaves nothing on the
// device.
func FuzzLoadBank(f *testing.F) {
	dev, err := cpu.New(1)
	if err != nil {
		f.Fatal(err)
	}
	b := bank(&testing.T{}, dev)
	good, err := b.Save()
	if err != nil {
		f.Fatal(err)
	}
	b.Release()
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		if v, err := (*Bank)(nil).Load(dev, data); err == nil {
			v.(*Bank).Release()
		}
		if dev.Live() != 0 {
			t.Fatalf("%d bytes are left", dev.Live())
		}
	})
}

package token

import (
	"bytes"
	"encoding/gob"
	"fmt"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// A bank in a checkpoint. Its lists share memories, and memories share nothing with the device they
// came from: each is written once, with the tensors that the bank still holds of it, and the lists
// are indices.

// savedBank is a Bank as it is written.
type savedBank struct{ Objects []savedObject }

type savedObject struct {
	Object, First             int
	Memories                  []savedMemory
	Prompts, Recent, Pointers []int
	Newest                    int // -1: none
	Attend                    []savedSlot
}

type savedMemory struct {
	Frame             int
	IoU, ObjectLogit  float32
	KFScore           *float64
	Prompted          bool
	Features, Pointer savedTensor
}

type savedSlot struct{ Memory, TPos int }

// savedTensor is a tensor with its elements; no shape when there is none.
type savedTensor struct {
	DType kernels.DType
	Shape []int
	Data  []byte
}

// Save writes the bank with all its tensors.
func (b *Bank) Save() ([]byte, error) {
	var out savedBank
	if b != nil {
		for _, o := range b.Objects {
			s, err := o.save()
			if err != nil {
				return nil, err
			}
			out.Objects = append(out.Objects, s)
		}
	}
	var data bytes.Buffer
	err := gob.NewEncoder(&data).Encode(out)
	return data.Bytes(), err
}

func (o *ObjectBank) save() (s savedObject, err error) {
	s = savedObject{Object: o.Object, First: o.First, Newest: -1}
	held := map[*Shared]bool{}
	o.each(func(t *Shared) { held[t] = true })
	index := map[*Memory]int{}
	add := func(m *Memory) int {
		if i, ok := index[m]; ok {
			return i
		}
		saved := savedMemory{Frame: m.Frame, IoU: m.IoU, ObjectLogit: m.ObjectLogit, KFScore: m.KFScore, Prompted: m.Prompted}
		for _, part := range []struct {
			from *Shared
			to   *savedTensor
		}{{m.Features, &saved.Features}, {m.Pointer, &saved.Pointer}} {
			if held[part.from] && err == nil {
				*part.to, err = part.from.save()
			}
		}
		index[m] = len(s.Memories)
		s.Memories = append(s.Memories, saved)
		return index[m]
	}
	list := func(ms []*Memory) (out []int) {
		for _, m := range ms {
			out = append(out, add(m))
		}
		return out
	}
	s.Prompts, s.Recent, s.Pointers = list(o.Prompts), list(o.Recent), list(o.Pointers)
	if o.Newest != nil {
		s.Newest = add(o.Newest)
	}
	for _, slot := range o.Attend {
		s.Attend = append(s.Attend, savedSlot{add(slot.Memory), slot.TPos})
	}
	return s, err
}

func (t *Shared) save() (savedTensor, error) {
	s := savedTensor{DType: t.DType, Shape: t.Shape, Data: make([]byte, t.Bytes())}
	return s, t.dev.Download(s.Data, t.Tensor)
}

// Load makes a bank of what Save wrote, on a device.
func (*Bank) Load(dev kernels.Device, data []byte) (any, error) {
	var in savedBank
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&in); err != nil {
		return nil, fmt.Errorf("bank: %w", err)
	}
	b := &Bank{}
	for i := range in.Objects {
		o, err := in.Objects[i].load(dev)
		if err != nil {
			b.Release()
			return nil, fmt.Errorf("bank of object %d: %w", in.Objects[i].Object, err)
		}
		b.Objects = append(b.Objects, o)
	}
	return b, nil
}

// load makes an object's bank.
func (s *savedObject) load(dev kernels.Device) (*ObjectBank, error) {
	l := loader{memories: make([]*Memory, len(s.Memories))}
	defer l.release()
	for i := range s.Memories {
		l.memories[i] = l.memory(dev, &s.Memories[i])
	}
	o := &ObjectBank{Object: s.Object, First: s.First, Prompts: l.list(s.Prompts, true, true), Recent: l.list(s.Recent, true, false),
		Pointers: l.list(s.Pointers, false, true)}
	if s.Newest >= 0 {
		o.Newest = l.at(s.Newest, true, false)
	}
	for _, slot := range s.Attend {
		o.Attend = append(o.Attend, Slot{l.at(slot.Memory, true, false), slot.TPos})
	}
	if l.err != nil {
		return nil, l.err
	}
	o.Retain()
	return o, nil
}

// loader makes the memories of an object's bank. After an error it does nothing more.
type loader struct {
	memories []*Memory
	made     []*Shared // with the reference they were made with
	err      error
}

// release drops those references: the bank has its own.
func (l *loader) release() {
	for _, t := range l.made {
		t.Release()
	}
}

// memory makes one memory with the tensors that were saved of it.
func (l *loader) memory(dev kernels.Device, m *savedMemory) *Memory {
	return &Memory{Frame: m.Frame, IoU: m.IoU, ObjectLogit: m.ObjectLogit, KFScore: m.KFScore, Prompted: m.Prompted,
		Features: l.shared(dev, &m.Features), Pointer: l.shared(dev, &m.Pointer)}
}

func (l *loader) shared(dev kernels.Device, s *savedTensor) *Shared {
	if s.Shape == nil || l.err != nil {
		return nil
	}
	t, err := s.load(dev)
	if err != nil {
		l.err = err
		return nil
	}
	l.made = append(l.made, Share(dev, t))
	return l.made[len(l.made)-1]
}

// at returns a memory by its index, which must have the tensors that its list holds.
func (l *loader) at(i int, features, pointer bool) *Memory {
	switch {
	case l.err != nil:
		return nil
	case i < 0 || i >= len(l.memories) || features && l.memories[i].Features == nil || pointer && l.memories[i].Pointer == nil:
		l.err = fmt.Errorf("memory %d of %d is not there", i, len(l.memories))
		return nil
	}
	return l.memories[i]
}

func (l *loader) list(indices []int, features, pointer bool) (out []*Memory) {
	for _, i := range indices {
		out = append(out, l.at(i, features, pointer))
	}
	return out
}

func (s *savedTensor) load(dev kernels.Device) (*kernels.Tensor, error) {
	n := 1
	for _, d := range s.Shape {
		if d < 0 || d > 1<<30 || n > 1<<30 {
			return nil, fmt.Errorf("a tensor of shape %v", s.Shape)
		}
		n *= d
	}
	if s.DType > kernels.I32 || n*s.DType.Size() != len(s.Data) {
		return nil, fmt.Errorf("a tensor of shape %v with %d bytes", s.Shape, len(s.Data))
	}
	scope := kernels.NewScope(dev)
	defer scope.Close()
	t := scope.Result(s.DType, s.Shape...)
	scope.Write(t, s.Data)
	scope.Keep(t)
	return t, scope.Err()
}

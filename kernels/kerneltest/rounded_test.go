package kerneltest

import (
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// rounds rounds what goes into products and attention to bfloat16, as a device of that kind does.
type rounds struct{ *Slow }

func (d rounds) Do(op kernels.Op) error {
	if !multiplies(op) {
		return d.Slow.Do(op)
	}
	if err := op.Check(); err != nil {
		return err
	}
	y, _ := evaluate(op, func(t *kernels.Tensor) []float64 {
		if t == nil {
			return nil
		}
		v := decode[float32](t.DType, d.bytes(t))
		half := make([]byte, 2*len(v))
		wide := make([]float64, len(v))
		for i, x := range v {
			wide[i] = float64(x)
		}
		encode(half, kernels.BF16, wide)
		return decode[float64](kernels.BF16, half)
	})
	t := kernels.Result(op)
	encode(d.bytes(t), t.DType, y)
	return nil
}

func (rounds) OperandType() kernels.DType { return kernels.BF16 }

func TestADeviceThatRoundsItsOperandsPasses(t *testing.T) { RunRounded(t, rounds{&Slow{}}) }

// spoiled changes the results of a device, or what lies beside them.
type spoiled struct {
	*Slow
	how func(y []float32)
}

func (d spoiled) Do(op kernels.Op) error {
	if err := d.Slow.Do(op); err != nil {
		return err
	}
	t := kernels.Result(op)
	if t.DType != kernels.F32 {
		return nil
	}
	y, err := kernels.Read[float32](d.Slow, t)
	if err != nil {
		return err
	}
	d.how(y)
	return d.Upload(t, kernels.HostBytes(y))
}

func TestMoreThanRoundingFailsEveryProduct(t *testing.T) {
	for name, how := range map[string]func([]float32){
		"all larger by a fiftieth": func(y []float32) {
			for i := range y {
				y[i] *= 1.02
			}
		},
		"one element exchanged for another's opposite": func(y []float32) {
			at := 0
			for i, v := range y {
				if v*v > y[at]*y[at] {
					at = i
				}
			}
			y[at] = -y[at]
		},
		"not a number": func(y []float32) { y[len(y)/2] -= y[len(y)/2]; y[len(y)/2] /= y[len(y)/2] },
	} {
		dev := spoiled{&Slow{}, how}
		for _, c := range Cases() {
			m := newMaker(&Slow{}, c.Name)
			product := multiplies(c.Make(m))
			m.close()
			if _, ok := beyondRounding[c.Name]; ok && name != "not a number" || !product {
				continue
			}
			if CheckRounded(dev, c) == nil {
				t.Errorf("%s: %s: not noticed", c.Name, name)
			}
		}
	}
	for _, c := range Cases() {
		if CheckRounded(beside{&Slow{}}, c) == nil {
			t.Errorf("%s: a write beyond the result: not noticed", c.Name)
		}
	}
}

func TestWhatIsBeyondRoundingIsACase(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Cases() {
		names[c.Name] = true
	}
	for name := range beyondRounding {
		if !names[name] {
			t.Errorf("there is no case %q", name)
		}
	}
}

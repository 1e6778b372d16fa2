package kerneltest

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryOpHasRandomCases(t *testing.T) {
	var ops []string
	for _, c := range Cases() {
		op, _, _ := strings.Cut(c.Name, "/")
		ops = append(ops, op)
	}
	slices.Sort(ops)
	if ops = slices.Compact(ops); !slices.Equal(ops, RandomOps()) {
		t.Errorf("random cases of %q, want them of %q", RandomOps(), ops)
	}
}

func TestTheReferencesPassRandomCases(t *testing.T) {
	for _, op := range RandomOps() {
		for seed := range uint64(10) {
			c := Random(op, seed, []int{8, 100})
			if err := CheckBare(&Slow{}, c); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
			if again := Random(op, seed, []int{8, 100}); again.Name != c.Name {
				t.Errorf("seed %d of %s is %q, and then %q", seed, op, c.Name, again.Name)
			}
			m := newMaker(&Slow{}, c.Name)
			if name := c.Make(m).Name(); name != op {
				t.Errorf("%s makes a %s", c.Name, name)
			}
			m.close()
		}
	}
}

func TestOneWrongElementFailsRandomCases(t *testing.T) {
	wrong := broken{&Slow{}, func(y []float32, at int) { y[at] -= y[at]; y[at] /= y[at] }}
	for _, op := range RandomOps() {
		c := Random(op, 1, []int{8, 100})
		if CheckBare(wrong, c) == nil {
			t.Errorf("%s: not noticed", c.Name)
		}
	}
}

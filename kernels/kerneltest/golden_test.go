package kerneltest

import (
	"bytes"
	"testing"
)

func TestTheReferenceStretchIsPillows(t *testing.T) {
	all, err := stretches()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 11 {
		t.Fatalf("%d pictures, want 11", len(all))
	}
	for _, s := range all {
		if got := PillowBicubic(s.in, s.h, s.w, s.oh, s.ow); !bytes.Equal(got, s.out) {
			t.Errorf("%s differs", s.name)
		}
	}
}

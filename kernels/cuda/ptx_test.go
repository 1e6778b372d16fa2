package cuda

import (
	"os"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels/cuda/ptx/mark"
)

// The committed PTX is of the committed sources.
func TestPTXIsFresh(t *testing.T) {
	ptx, err := os.ReadFile("kernels.ptx")
	if err != nil {
		t.Fatal(err)
	}
	want, err := mark.Of(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if mark.In(string(ptx)) != want {
		t.Error("kernels.ptx was made of other sources than these: run make ptx")
	}
}

package cuda

import (
	"os"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels/cuda/internal/ptxmark"
)

// The committed PTX is of the committed sources.
func TestPTXIsFresh(t *testing.T) {
	ptx, err := os.ReadFile("kernels.ptx")
	if err != nil {
		t.Fatal(err)
	}
	mark, err := ptxmark.Of(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if ptxmark.In(string(ptx)) != mark {
		t.Error("kernels.ptx was made of other sources than these: run make ptx")
	}
}

package cuda

import (
	"os"
	"strings"
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

// Every kernel's module is whole: all that kernels share stands before the first of them, and
// together they are the PTX.
func TestEveryKernelIsAModule(t *testing.T) {
	ptx, err := os.ReadFile("kernels.ptx")
	if err != nil {
		t.Fatal(err)
	}
	all, bytes, head := split(string(ptx)), 0, ""
	for name, text := range all {
		head = text[0]
		bytes += len(text[1])
		if !strings.Contains(text[0], "\n.target sm_") || strings.Count(text[1], ".entry "+name+"(") != 1 || strings.Count(text[1], ".entry") != 1 {
			t.Errorf("%s: not a module of one kernel", name)
		}
		for line := range strings.Lines(text[1]) {
			if strings.HasPrefix(line, ".") && !strings.HasPrefix(line, ".visible .entry") && !strings.HasPrefix(line, ".maxntid") && !strings.HasPrefix(line, ".minnctapersm") {
				t.Errorf("%s: %q stands behind a kernel, where the others do not see it", name, line)
			}
		}
	}
	if len(all) == 0 || len(all) != strings.Count(string(ptx), ".entry") || len(head)+bytes != len(ptx) {
		t.Errorf("%d kernels of %d bytes, the file has %d", len(all), len(head)+bytes, len(ptx))
	}
}

package bench

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// TestABareBuildNeedsNoFFmpeg looks at all packages of what gpu-build.sh builds: with nomedia none
// of them is FFmpeg's binding. What the linker makes of it gpu-build.sh looks at.
func TestABareBuildNeedsNoFFmpeg(t *testing.T) {
	builds := []string{"cuda,nomedia", "nomedia"}
	if testing.Short() {
		builds = builds[:1]
		t.Log("the build with cuda alone")
	}
	for _, tags := range builds {
		out, err := exec.Command("go", "list", "-deps", "-test", "-tags", tags, "-f", "{{.ImportPath}} {{join .CgoLDFLAGS \" \"}} {{join .CgoPkgConfig \" \"}}",
			"../cmd/tachi", "../kernels/cuda", "../stages", "../stages/internal/sam2").Output()
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, e.Stderr)
		} else if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(out), "\n"); n < 100 {
			t.Errorf("%s: only %d packages", tags, n)
		}
		for line := range strings.Lines(string(out)) {
			for _, no := range []string{"astiav", "libav", "libsw", "-lav", "-lsw"} {
				if strings.Contains(line, no) {
					t.Errorf("%s: %s", tags, line)
				}
			}
		}
	}
}

// Package bench measures the program as a whole, and compares it with its peers. See README.md.
package bench

import (
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

var (
	frames = flag.Int("frames", 3000, "frames of the long run of BenchmarkResidentSet")
	image  = flag.Int("image", 64, "image_size of its network; 256 is nano as it is")
)

// BenchmarkResidentSet runs the whole tracker on 300 frames of made-up video and on many more, with
// a network small enough to finish soon, and reports the peak resident set of both processes.
// Memory that grew with the video's length would show as a ratio above 1.
func BenchmarkResidentSet(b *testing.B) {
	tachi := filepath.Join(b.TempDir(), "tachi")
	if out, err := exec.Command("go", "build", "-o", tachi, "../cmd/tachi").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	peak := func(frames int) float64 { // KiB
		cmd := exec.Command(tachi, "bench", "../pipelines/bench.toml", "-q", "--frames", strconv.Itoa(frames),
			"--set", "model.config.image_size="+strconv.Itoa(*image), "--set", "stages.source.width=96", "--set", "stages.source.height=64")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		return float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	}
	for b.Loop() {
		short, long := peak(300), peak(*frames)
		b.ReportMetric(short/1024, "MiB/300frames")
		b.ReportMetric(long/1024, fmt.Sprintf("MiB/%dframes", *frames))
		b.ReportMetric(long/short, "ratio")
	}
}

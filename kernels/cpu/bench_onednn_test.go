//go:build onednn

package cpu

import (
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cpu/onednn"
)

// BenchmarkBesideOneDNN times products of the network here and by oneDNN in turns, and reports
// GFLOP/s of the fastest round of each, and the measured peak: go test -tags onednn -bench
// BesideOneDNN ./kernels/cpu
func BenchmarkBesideOneDNN(b *testing.B) {
	for _, s := range products {
		m, k, n := s[0], s[1], s[2]
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%dx%dx%d/threads=%d", m, k, n, threads), func(b *testing.B) {
				f := fixture{b, open(b, os.Getenv("TACHI_CPU"), threads)}
				a, w, y := noise(1, m*k), noise(2, n*k), make([]float32, m*n)
				op := kernels.Linear{X: f.tensor(a, m, k), W: f.pack(w, n, k), Y: f.zeros(m, n)}
				ours, theirs := math.Inf(1), math.Inf(1)
				for b.Loop() {
					t0 := time.Now()
					f.do(op)
					t1 := time.Now()
					if err := onednn.Product(y, a, w, m, n, k, threads); err != nil {
						b.Fatal(err)
					}
					ours, theirs = min(ours, t1.Sub(t0).Seconds()), min(theirs, time.Since(t1).Seconds())
				}
				got := f.read(op.Y)
				for i := range got {
					if math.Abs(float64(got[i]-y[i])) > 1e-2 {
						b.Fatalf("element %d is %g here and %g there", i, got[i], y[i])
					}
				}
				flop := op.Cost().FLOP / 1e9
				b.ReportMetric(flop/ours, "GFLOP/s")
				b.ReportMetric(flop/theirs, "oneDNN-GFLOP/s")
				b.ReportMetric(f.d.PeakFLOPS()/1e9, "peak-GFLOP/s")
			})
		}
	}
}

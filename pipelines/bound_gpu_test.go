//go:build !cuda && !nomedia

package pipelines

import (
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cuda"
	"github.com/seed49bbd0e6/tachi/kernels/null"
)

// With one frame resident, what a GPU holds beside the weights is at most a quarter of what the
// official predictor does: its max_memory_allocated less its weights, in bfloat16 with the video on
// the host, as bench/results/2026-11-26-h200.jsonl has it.
func TestAGPUHoldsAQuarterOfTheReference(t *testing.T) {
	for variant, reference := range map[string]int{"tiny": 513062648, "large": 601807160} {
		t.Run(variant, func(t *testing.T) {
			plan, probe := load1280(t, variant, "pipeline.batch=1", "pipeline.micro=1")
			probe.Width, probe.Height = 640, 360
			dev := cuda.NewDry(cuda.Float16, 132)
			_, b := fitted(t, plan, probe, dev)
			var table strings.Builder
			if err := b.WriteText(&table); err != nil {
				t.Fatal(err)
			}
			t.Log("\n" + table.String())
			if beside := b.Bytes() - b.Weights; 4*beside > reference {
				t.Errorf("%s beside the weights, the reference has %s", graph.Size(beside), graph.Size(reference))
			}
		})
	}
}

// What a GPU decodes to is memory of the device that tracks there, and of no other.
func TestSurfacesOfADecoderAreInTheBound(t *testing.T) {
	for _, c := range []struct {
		dev  kernels.Device
		more int
	}{{cuda.NewDry(cuda.Float16, 132), 1 << 30}, {null.New(), 0}} {
		plan, probe := load1280(t, "tiny", "pipeline.batch=1", "pipeline.micro=1")
		need := func() *analyze.Bound {
			_, b := fitted(t, plan, probe, c.dev)
			return b
		}
		without := need()
		probe.Surfaces = 1 << 30
		with := need()
		if got := with.Bytes() - without.Bytes(); got != c.more {
			t.Errorf("%s: %d bytes more, want %d", c.dev.Info().Name, got, c.more)
		}
		if told := strings.Contains(with.Advice(), "surfaces 1.00 GiB; what helps: a source without hwaccel"); told != (c.more > 0) {
			t.Errorf("%s: %s", c.dev.Info().Name, with.Advice())
		}
	}
}

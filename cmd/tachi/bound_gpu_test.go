//go:build !cuda

package main

import (
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels/cuda"
)

// With one frame resident, what a GPU holds beside the weights is at most a quarter of what the official predictor does: its
// max_memory_allocated less its weights, in bfloat16 with the video on the host, as bench/results/2026-11-26-h200.jsonl has it.
func TestAGPUHoldsAQuarterOfTheReference(t *testing.T) {
	for variant, reference := range map[string]int{"tiny": 513062648, "large": 601807160} {
		t.Run(variant, func(t *testing.T) {
			plan, probe := load1280(t, variant, "pipeline.batch=1", "pipeline.micro=1")
			probe.Width, probe.Height = 640, 360
			dev := cuda.NewDry(cuda.Float16, 132)
			b, err := plan.Fit(probe.Width, probe.Height, func() (*graph.Bound, error) { return bound(plan, probe, dev) })
			if err != nil {
				t.Fatal(err)
			}
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

//go:build !cuda

package pipelines

import (
	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
)

// openCUDA says how to get the device cuda.
func openCUDA(plan *graph.Plan, _ int) (kernels.Device, error) {
	return nil, graph.Diagnostics{plan.Complain("pipeline.device", "this build has no cuda: build with make cuda")}
}

// autoCUDA finds nothing, which needs no note.
func autoCUDA(*graph.Plan) (kernels.Device, error) { return nil, nil }

// CUDAState says in a few words what the device cuda is here.
func CUDAState() string { return "cuda: not in this build (make cuda)" }

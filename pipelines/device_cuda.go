//go:build cuda

package pipelines

import (
	"fmt"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cuda"
)

// openCUDA opens a GPU, by default in f16, whose masks are ten times nearer to those of f32 than
// those of bf16.
func openCUDA(plan *graph.Plan, index int) (kernels.Device, error) {
	precision := cuda.Float16
	if name := plan.Pipeline.Precision; name != "" {
		var err error
		if precision, err = cuda.ParsePrecision(name); err != nil {
			return nil, &graph.Error{Kind: graph.BadConfig, Err: err}
		}
	}
	dev, err := cuda.New(index, precision)
	if err != nil {
		return nil, &graph.Error{Kind: graph.BadConfig, Err: err}
	}
	return dev, nil
}

// autoCUDA opens the first GPU, or says why it cannot be used.
func autoCUDA(plan *graph.Plan) (kernels.Device, error) { return openCUDA(plan, 0) }

// CUDAState says in a few words what the device cuda is here.
func CUDAState() string {
	n, err := cuda.Devices()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("cuda: %d", n)
}

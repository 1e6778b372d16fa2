package pipelines

import (
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
)

// openDevice opens the device that a plan asks for. "auto" is the first GPU if this program can use
// it, and otherwise the cpu, with a note that says why.
func openDevice(plan *graph.Plan, log zerolog.Logger) (kernels.Device, error) {
	switch name := plan.Pipeline.Device; name {
	case "cpu":
		return openCPU(plan)
	case "auto", "":
		dev, err := autoCUDA(plan)
		if err != nil {
			log.Info().Msgf("running on the cpu: %v", err)
		}
		if dev != nil {
			return dev, nil
		}
		return openCPU(plan)
	default:
		index := 0
		if _, err := fmt.Sscanf(name, "cuda:%d", &index); err != nil && name != "cuda" {
			return nil, graph.Diagnostics{plan.Complain("pipeline.device", "no device %q: want auto, cpu, cuda or cuda:N", name)}
		}
		return openCUDA(plan, index)
	}
}

// openCPU opens the device cpu, which multiplies in f32 alone.
func openCPU(plan *graph.Plan) (kernels.Device, error) {
	switch p := plan.Pipeline.Precision; p {
	case "", "f32":
	default:
		return nil, graph.Diagnostics{plan.Complain("pipeline.precision", "the device is the cpu, which multiplies in f32, not in %s", p)}
	}
	dev, err := cpu.New(plan.Pipeline.Threads)
	if err != nil {
		return nil, &graph.Error{Kind: graph.BadConfig, Err: err}
	}
	return dev, nil
}

// isGPU reports whether a device is a GPU.
func isGPU(d kernels.Device) bool { return strings.HasPrefix(d.Info().Name, "cuda") }

// DeviceLine is one line about a device.
func DeviceLine(d kernels.Device) string {
	i := d.Info()
	workers := "threads"
	if isGPU(d) {
		workers = "multiprocessors"
	}
	return fmt.Sprintf("%s: %s, %s, %d %s", i.Name, i.Model, i.ISA, i.Threads, workers)
}

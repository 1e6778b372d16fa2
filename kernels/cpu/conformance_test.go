package cpu

import (
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/kerneltest"
)

func TestEveryInstructionSetIsACorrectDevice(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) { kerneltest.Run(t, d) })
}

func TestResultsDoNotDependOnTheNumberOfWorkers(t *testing.T) {
	for _, isa := range sets() {
		kerneltest.Same(t, open(t, isa, 1), open(t, isa, 5))
	}
}

func TestLifecycle(t *testing.T) {
	kerneltest.Lifecycle(t, func() kernels.Device {
		d, err := New(2)
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}

package cuda

import (
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels/kerneltest"
)

func TestDevice(t *testing.T) {
	d := open(t, Float32)
	kerneltest.Run(t, d)
}

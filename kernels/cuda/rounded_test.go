package cuda

import (
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels/kerneltest"
)

func TestDeviceInHalfPrecision(t *testing.T) {
	for _, p := range []Precision{BFloat16, Float16} {
		t.Run(p.String(), func(t *testing.T) { kerneltest.RunRounded(t, open(t, p)) })
	}
}

package cuda

import (
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels/kerneltest"
)

func TestDeviceInHalfPrecision(t *testing.T) {
	precisions := []Precision{BFloat16, Float16}
	if testing.Short() {
		precisions = precisions[1:]
		t.Log("f16 alone")
	}
	for _, p := range precisions {
		t.Run(p.String(), func(t *testing.T) { kerneltest.RunRounded(t, open(t, p)) })
	}
}

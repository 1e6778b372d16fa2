//go:build !cuda

package cuda

import (
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels/kerneltest"
)

// Threads of a block run in any order: a result that depends on it lacks a barrier.
func TestOrderOfThreadsDoesNotMatter(t *testing.T) {
	a, b := newDevice(newEmulator(2), Float32), newDevice(newEmulator(3), Float32)
	defer a.Close()
	defer b.Close()
	kerneltest.Same(t, a, b)
}

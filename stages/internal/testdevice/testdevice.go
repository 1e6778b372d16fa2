// Package testdevice opens the device that tests of the network run on: the CPU, or the one that
// TACHI_TEST_DEVICE names.
package testdevice

import (
	"os"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
)

// Open returns the device, which the caller closes. On the CPU it has so many threads. With
// TACHI_TEST_DEVICE=cuda it is the first GPU in float32, which must meet the same tolerances; a
// build or a machine without one fails the test.
func Open(t testing.TB, threads int) kernels.Device {
	t.Helper()
	switch name := os.Getenv("TACHI_TEST_DEVICE"); name {
	case "", "cpu":
		dev, err := cpu.New(threads)
		if err != nil {
			t.Fatal(err)
		}
		return dev
	case "cuda":
		dev, err := openCUDA()
		if err != nil {
			t.Fatalf("TACHI_TEST_DEVICE=cuda: %v", err)
		}
		return dev
	default:
		t.Fatalf("TACHI_TEST_DEVICE=%s: there are cpu and cuda", name)
		return nil
	}
}

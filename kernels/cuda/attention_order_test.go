//go:build !cuda

package cuda

import (
	"fmt"
	"testing"
)

func TestAttentionInAnyOrderOfThreads(t *testing.T) {
	precisions, orders := []Precision{Float32, BFloat16}, uint64(2)
	if testing.Short() {
		precisions, orders = precisions[1:], 1
		t.Log("one order of the threads, in bf16 alone")
	}
	for _, p := range precisions {
		for order := range orders {
			t.Run(fmt.Sprintf("%v, order %d", p, order+2), func(t *testing.T) {
				d := newDevice(newEmulator(order+2), p)
				d.processors = 3
				checkAttentions(t, d)
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

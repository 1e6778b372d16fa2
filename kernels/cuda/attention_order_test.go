//go:build !cuda

package cuda

import (
	"fmt"
	"testing"
)

func TestAttentionInAnyOrderOfThreads(t *testing.T) {
	for _, p := range []Precision{Float32, BFloat16} {
		for order := range uint64(2) {
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

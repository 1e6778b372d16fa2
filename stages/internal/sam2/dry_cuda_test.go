//go:build !cuda

package sam2

import (
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels/cuda"
)

// Every variant, in every precision, asks a GPU only for what it has kernels for.
func TestEveryVariantFitsTheGPU(t *testing.T) {
	for _, name := range VariantNames() {
		for _, p := range []cuda.Precision{cuda.Float32, cuda.BFloat16, cuda.Float16} {
			t.Run(name+" "+p.String(), func(t *testing.T) {
				dev := cuda.NewDry(p, 132)
				m, err := Dry(dev, variant(t, name))
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				drive(t, dev, m, 2, func(string) {})
			})
		}
	}
}

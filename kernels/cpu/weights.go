package cpu

// #include "kernels.h"
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// PackedBytes returns the size of packed weights [n, k].
func (d *Device) PackedBytes(n, k int) int { return 4 * d.panels(n) * d.nr() * k }

// Pack returns the weights [N, K] in panels of columns; see gemm.h.
func (d *Device) Pack(w *kernels.Tensor) (*kernels.Tensor, error) {
	if w.DType != kernels.F32 || w.Layout != kernels.RowMajor || len(w.Shape) != 2 || w.Len() == 0 {
		return nil, fmt.Errorf("cpu: pack %v, want f32[n,k]", w)
	}
	n, k := w.Dim(0), w.Dim(1)
	b, err := d.mem.alloc(d.PackedBytes(n, k))
	if err != nil {
		return nil, err
	}
	d.parallel(d.panels(n), func(p, _ int) {
		dst := (*C.float)(unsafe.Add(b.p, 4*p*d.nr()*k))
		C.call_pack(d.isa, dst, floats(w), C.long(k), C.long(n), C.long(k), C.long(p), C.long(p+1))
	})
	return &kernels.Tensor{DType: kernels.F32, Layout: kernels.Packed, Shape: []int{n, k}, Buf: b}, nil
}

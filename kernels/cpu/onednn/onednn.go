//go:build onednn

// Package onednn calls oneDNN's matrix product, as a yardstick for benchmarks. Nothing else imports
// it.
package onednn

// #cgo LDFLAGS: -ldnnl -lgomp
// #include <oneapi/dnnl/dnnl.h>
// void omp_set_num_threads(int);
// static int sgemm(long m, long n, long k, const float *a, const float *w, float *y, int threads) {
//     omp_set_num_threads(threads);
//     return dnnl_sgemm('N', 'T', m, n, k, 1, a, k, w, k, 0, y, n);
// }
import "C"

import "fmt"

// Product is y [m, n] = a [m, k] wᵀ, w [n, k].
func Product(y, a, w []float32, m, n, k, threads int) error {
	f := func(s []float32) *C.float { return (*C.float)(&s[0]) }
	if code := C.sgemm(C.long(m), C.long(n), C.long(k), f(a), f(w), f(y), C.int(threads)); code != 0 {
		return fmt.Errorf("onednn: dnnl_sgemm: status %d", code)
	}
	return nil
}

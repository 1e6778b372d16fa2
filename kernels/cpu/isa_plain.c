// The kernels for any processor: what the compiler's baseline offers (SSE2, NEON). Multiply and add
// round separately where the baseline has no fused form.
#define ISA plain
#define VL 4
#define MR 6
#include "isa.h"

extern const kernels table_avx2, table_avx512;

const kernels *kernels_plain(void) { return &table_plain; }

#if defined(__x86_64__)
const kernels *kernels_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &table_avx2 : 0;
}
const kernels *kernels_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")
               ? &table_avx512
               : 0;
}
#else
const kernels *kernels_avx2(void) { return 0; }
const kernels *kernels_avx512(void) { return 0; }
#endif

// The kernels for AVX-512: 32 registers of 16 floats hold a tile of 12 x 32, two columns and
// broadcasts.
#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,f16c")
#define ISA avx512
#define VL 16
#define MR 12
#include "isa.h"
#endif

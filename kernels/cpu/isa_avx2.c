// The kernels for AVX2 and FMA: 16 registers of 8 floats hold a tile of 6 x 16, two columns and a
// broadcast.
#if defined(__x86_64__)
#pragma GCC target("avx2,fma,f16c")
#define ISA avx2
#define VL 8
#define MR 6
#include "isa.h"
#endif

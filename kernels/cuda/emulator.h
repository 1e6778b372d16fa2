// The CUDA that the kernels are written in, on the processor: one fiber for each CUDA thread of a
// block, blocks one after the other. A fiber runs until it comes to a barrier or to an instruction
// that a warp does together. The order in which fibers get their turn is drawn anew each time, so a
// missing barrier shows as a wrong result, or as a read of NaN: shared memory begins as NaN in
// every block.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __device__
#define __global__
#define __host__
#define __forceinline__ inline
#define __restrict__
#define __constant__
#define FULL 0xffffffffu

struct uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct dim3 { unsigned x, y, z; };
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

namespace emulator {

struct fiber {
    void *stack_pointer;
    dim3 thread;
    unsigned lane, warp;
    int state;
    unsigned turn; // warp instructions done
};

extern fiber *self;
extern dim3 block_index, block_dim, grid_dim;
extern unsigned char *shared;

void barrier();           // until all threads of the block are here
void warp_barrier();      // until all lanes of the warp are here

// What the lanes of a warp hand to each other in one instruction. Two, used in turn: a lane can be
// one instruction ahead.
struct exchange {
    unsigned word[32][16];
    unsigned arrived;
};
exchange *meet(unsigned lanes); // the exchange of the next instruction; put what you have into word[lane] first, by give
unsigned *give();

// Kernels by name, with a thunk that unpacks the arguments and their size.
struct entry {
    const char *name;
    void (*run)(const void *args);
    size_t size;
    entry *next;
    static entry *all;
    entry(const char *name, void (*run)(const void *), size_t size) : name(name), run(run), size(size), next(all) { all = this; }
};

} // namespace emulator

#define threadIdx (emulator::self->thread)
#define blockIdx (emulator::block_index)
#define blockDim (emulator::block_dim)
#define gridDim (emulator::grid_dim)

#define KERNEL(name)                                                                                                        \
    static void name(const name##_args args);                                                                               \
    static emulator::entry name##_entry(#name, [](const void *p) { name(*(const name##_args *)p); }, sizeof(name##_args));  \
    static void name(const name##_args args)
#define KERNEL_BOUNDS(name, threads, blocks) KERNEL(name)

static inline void *shared_memory() { return emulator::shared; }
static inline void __syncthreads() { emulator::barrier(); }
static inline void __syncwarp(unsigned = FULL) { emulator::warp_barrier(); }

static inline unsigned bits_of(float f) { unsigned u; memcpy(&u, &f, 4); return u; }
static inline float float_of(unsigned u) { float f; memcpy(&f, &u, 4); return f; }
static inline unsigned bits_of(int i) { return (unsigned)i; }
static inline unsigned bits_of(unsigned i) { return i; }
static inline void from_bits(unsigned u, float &f) { f = float_of(u); }
static inline void from_bits(unsigned u, int &i) { i = (int)u; }
static inline void from_bits(unsigned u, unsigned &i) { i = u; }

static inline float __uint_as_float(unsigned u) { return float_of(u); }
static inline unsigned __float_as_uint(float f) { return bits_of(f); }
static inline int __float_as_int(float f) { return (int)bits_of(f); }

// Shuffles and votes of whole warps.
template <class T> static inline T __shfl_sync(unsigned, T v, int from, int width = 32) {
    unsigned lane = emulator::self->lane;
    emulator::give()[0] = bits_of(v);
    emulator::exchange *e = emulator::meet(32);
    T out;
    from_bits(e->word[(lane & ~(width - 1)) | (from & (width - 1))][0], out);
    return out;
}
template <class T> static inline T __shfl_xor_sync(unsigned m, T v, int mask) { return __shfl_sync(m, v, emulator::self->lane ^ mask); }
template <class T> static inline T __shfl_down_sync(unsigned m, T v, unsigned by) {
    unsigned lane = emulator::self->lane;
    T got = __shfl_sync(m, v, lane + by < 32 ? lane + by : lane);
    return got;
}
static inline unsigned __ballot_sync(unsigned, int yes) {
    emulator::give()[0] = yes != 0;
    emulator::exchange *e = emulator::meet(32);
    unsigned all = 0;
    for (int i = 0; i < 32; i++) all |= e->word[i][0] << i;
    return all;
}
static inline int __any_sync(unsigned m, int yes) { return __ballot_sync(m, yes) != 0; }
template <class T, class Join> static inline T reduce_lanes(T v, Join join) {
    emulator::give()[0] = bits_of(v);
    emulator::exchange *e = emulator::meet(32);
    for (int i = 0; i < 32; i++) {
        T other;
        from_bits(e->word[i][0], other);
        v = i == 0 ? other : join(v, other);
    }
    return v;
}
template <class T> static inline T __reduce_min_sync(unsigned, T v) { return reduce_lanes(v, [](T a, T b) { return a < b ? a : b; }); }
template <class T> static inline T __reduce_max_sync(unsigned, T v) { return reduce_lanes(v, [](T a, T b) { return a > b ? a : b; }); }
template <class T> static inline T __reduce_add_sync(unsigned, T v) { return reduce_lanes(v, [](T a, T b) { return a + b; }); }
static inline int __popc(unsigned v) { return __builtin_popcount(v); }

// Blocks and fibers run one at a time, so that any read and write is atomic.
template <class T> static inline T atomicAdd(T *p, T v) { T old = *p; *p = old + v; return old; }
template <class T> static inline T atomicMax(T *p, T v) { T old = *p; if (v > old) *p = v; return old; }
template <class T> static inline T atomicMin(T *p, T v) { T old = *p; if (v < old) *p = v; return old; }

template <class T> static inline T __ldg(const T *p) { return *p; }
static inline float __fmul_rn(float a, float b) { return a * b; } // compiled without contraction
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float exp2_fast(float x) { return exp2f(x); }
static inline float reciprocal_fast(float x) { return 1.0f / x; }

// The twins of the inline PTX of device.cuh.

static inline void copy_async(void *dst, const void *src, int n) {
    memset(dst, 0, 16);
    memcpy(dst, src, n);
}
static inline void copy_commit() {}
template <int N> static inline void copy_wait() {}

static inline void load_rows(unsigned (&r)[4], const void *row, bool transposed) {
    unsigned lane = emulator::self->lane;
    uint64_t at = (uint64_t)row;
    if (at % 16) __builtin_trap();
    unsigned *mine = emulator::give();
    mine[0] = (unsigned)at, mine[1] = (unsigned)(at >> 32);
    emulator::exchange *e = emulator::meet(32);
    for (int m = 0; m < 4; m++) {
        auto element = [&](int y, int x) {
            uint64_t p = e->word[8 * m + y][0] | (uint64_t)e->word[8 * m + y][1] << 32;
            return (unsigned)((const uint16_t *)p)[x];
        };
        int y = lane / 4, x = lane % 4 * 2;
        r[m] = transposed ? element(x, y) | element(x + 1, y) << 16 : element(y, x) | element(y, x + 1) << 16;
    }
    emulator::warp_barrier(); // the rows may be overwritten from here on
}
static inline void load_matrix4(unsigned (&r)[4], const void *row) { load_rows(r, row, false); }
static inline void load_matrix4_transposed(unsigned (&r)[4], const void *row) { load_rows(r, row, true); }

static inline unsigned round_bf16(float f) {
    unsigned u = bits_of(f);
    if (f != f) return u >> 16 | 0x40;
    return (u + 0x7fff + (u >> 16 & 1)) >> 16;
}
static inline float from_bf16(uint16_t h) { return float_of((unsigned)h << 16); }
unsigned round_f16(float f);
float from_f16(uint16_t h);

namespace emulator {
template <class Half> static inline void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    unsigned lane = self->lane;
    unsigned *mine = give();
    for (int i = 0; i < 4; i++) mine[i] = a[i];
    mine[4] = b0, mine[5] = b1;
    exchange *e = meet(32);
    for (int i = 0; i < 4; i++) {
        int row = (int)lane / 4 + i / 2 * 8, col = (int)lane % 4 * 2 + i % 2;
        float sum = d[i];
        for (int k = 0; k < 16; k++) {
            // a: register (k/8)*2 + row/8 of lane row%8*4 + k%8/2; b: register k/8 of lane col*4 +
            // k%8/2
            unsigned x = e->word[row % 8 * 4 + k % 8 / 2][k / 8 * 2 + row / 8] >> (k % 2 * 16);
            unsigned y = e->word[col * 4 + k % 8 / 2][4 + k / 8] >> (k % 2 * 16);
            sum += Half::value((uint16_t)x) * Half::value((uint16_t)y);
        }
        d[i] = sum;
    }
}
template <class Half> static inline unsigned larger(unsigned a, unsigned b) {
    unsigned lo = Half::value((uint16_t)a) > Half::value((uint16_t)b) ? a : b;
    unsigned hi = Half::value((uint16_t)(a >> 16)) > Half::value((uint16_t)(b >> 16)) ? a : b;
    return (lo & 0xffff) | (hi & 0xffff0000);
}
} // namespace emulator

struct bf16 {
    static inline unsigned pack(float lo, float hi) { return round_bf16(lo) | round_bf16(hi) << 16; }
    static inline float value(uint16_t h) { return from_bf16(h); }
    static inline unsigned larger(unsigned a, unsigned b) { return emulator::larger<bf16>(a, b); }
    static inline void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) { emulator::mma<bf16>(d, a, b0, b1); }
};
static inline unsigned cast_f16(float v) { return round_f16(v); }
static inline float finite_f16(float v) { return v > 65504.0f ? 65504.0f : v < -65504.0f ? -65504.0f : v; }
struct f16 {
    static inline unsigned pack(float lo, float hi) { return round_f16(finite_f16(lo)) | round_f16(finite_f16(hi)) << 16; }
    static inline float value(uint16_t h) { return from_f16(h); }
    static inline unsigned larger(unsigned a, unsigned b) { return emulator::larger<f16>(a, b); }
    static inline void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) { emulator::mma<f16>(d, a, b0, b1); }
};

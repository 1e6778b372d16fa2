// What the kernels are written in: CUDA C++ where nvcc or nvrtc compiles them, C++ over emulator.h where the emulator
// does. Inline PTX stands in small functions here, each with a twin in emulator.h, and nowhere else.
#pragma once

#ifdef __CUDACC__

// The one kernel convention: KERNEL(name) { ... args ... } takes a struct name_args by value.
#define KERNEL(name) extern "C" __global__ void name(const name##_args args)
// The same for blocks of at most so many threads, so many of which shall fit on a multiprocessor.
#define KERNEL_BOUNDS(name, threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks) name(const name##_args args)

// All shared memory is dynamic: shared_memory() is where it begins, aligned to 16 bytes.
extern __shared__ uint4 shared_memory_[];
static __device__ inline void *shared_memory() { return shared_memory_; }

#define FULL 0xffffffffu // every lane of a warp

// Asynchronous copies of 16 bytes from global to shared memory; of the source only n bytes (0 or 16) are read, the rest is 0.
static __device__ inline void copy_async(void *dst, const void *src, int n) {
    unsigned to = (unsigned)__cvta_generic_to_shared(dst);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(to), "l"(src), "r"(n));
}
static __device__ inline void copy_commit() { asm volatile("cp.async.commit_group;\n" ::); }
template <int N> static __device__ inline void copy_wait() { asm volatile("cp.async.wait_group %0;\n" ::"n"(N)); }

// Four 8x8 matrices of 16-bit elements from shared memory, one row address per lane; the second transposes each.
static __device__ inline void load_matrix4(unsigned (&r)[4], const void *row) {
    unsigned at = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
}
static __device__ inline void load_matrix4_transposed(unsigned (&r)[4], const void *row) {
    unsigned at = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
}

// Two floats as a pair of 16-bit elements, lo in the lower half, rounded to nearest even.
struct bf16 {
    static __device__ inline unsigned pack(float lo, float hi) {
        unsigned r;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(r) : "f"(hi), "f"(lo));
        return r;
    }
    // The larger of each of two pairs.
    static __device__ inline unsigned larger(unsigned a, unsigned b) {
        unsigned r;
        asm("max.bf16x2 %0, %1, %2;\n" : "=r"(r) : "r"(a), "r"(b));
        return r;
    }
    // d += a b for a 16x16 (row), b 16x8 (column), d 16x8, in the fragments of mma.m16n8k16.
    static __device__ inline void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
};
struct f16 {
    // What is beyond the range of f16 becomes its largest number: a factor that is a little too small does less harm than
    // an infinite one.
    static __device__ inline unsigned pack(float lo, float hi) {
        unsigned r;
        asm("cvt.rn.satfinite.f16x2.f32 %0, %1, %2;\n" : "=r"(r) : "f"(hi), "f"(lo));
        return r;
    }
    static __device__ inline unsigned larger(unsigned a, unsigned b) {
        unsigned r;
        asm("max.f16x2 %0, %1, %2;\n" : "=r"(r) : "r"(a), "r"(b));
        return r;
    }
    static __device__ inline void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
};

// One 16-bit element to float, exactly.
static __device__ inline float from_bf16(unsigned short h) { return __uint_as_float((unsigned)h << 16); }
static __device__ inline float from_f16(unsigned short h) {
    float f;
    asm("cvt.f32.f16 %0, %1;\n" : "=f"(f) : "h"(h));
    return f;
}

// 2^x as the hardware approximates it, within 2 units in the last place.
static __device__ inline float exp2_fast(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(y) : "f"(x));
    return y;
}

// 1/x as the hardware approximates it, within 1 unit in the last place.
static __device__ inline float reciprocal_fast(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;\n" : "=f"(y) : "f"(x));
    return y;
}

static __device__ inline unsigned cast_f16(float v) {
    unsigned short h;
    asm("cvt.rn.f16.f32 %0, %1;\n" : "=h"(h) : "f"(v));
    return h;
}

#else
#include "emulator.h"
#endif

typedef unsigned short half_bits;

// The conversion that Cast makes, in which what is too large becomes infinite.
struct f16_cast {
    static __device__ inline unsigned pack(float lo, float hi) { return cast_f16(lo) | cast_f16(hi) << 16; }
};
static __device__ inline half_bits to_bf16(float v) { return (half_bits)bf16::pack(v, 0); }
static __device__ inline half_bits to_f16(float v) { return (half_bits)f16::pack(v, 0); }

// The order of kernels.Act.
enum { ACT_NONE, ACT_RELU, ACT_GELU, ACT_SIGMOID, ACT_STEP };

static __device__ inline float act(float x, int kind) {
    switch (kind) {
    case ACT_RELU: return fmaxf(x, 0.0f);
    case ACT_GELU: return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case ACT_SIGMOID: return 1.0f / (1.0f + expf(-x));
    case ACT_STEP: return x > 0.0f ? 1.0f : 0.0f;
    }
    return x;
}

// GELU for results that will be rounded to 16 bits, or were made of such: the error function by a polynomial within 1.5e-7
// (Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26).
static __device__ inline float gelu_fast(float x) {
    float z = fabsf(x) * 0.70710678118654752f, t = reciprocal_fast(fmaf(0.3275911f, z, 1.0f));
    float p = fmaf(fmaf(fmaf(fmaf(1.061405429f, t, -1.453152027f), t, 1.421413741f), t, -0.284496736f), t, 0.254829592f);
    float tail = p * t * exp2_fast(-1.4426950408889634f * z * z); // 1 - erf(z)
    return 0.5f * x * (x < 0.0f ? tail : 2.0f - tail);
}

// act, where the factors were 16 bits.
static __device__ inline float act_fast(float x, int kind) { return kind == ACT_GELU ? gelu_fast(x) : act(x, kind); }

// The types that factors are in, in the order of Precision.
enum { FLOAT32, BFLOAT16, FLOAT16 };

// Vector i of four factors, read and written in any of the types.
static __device__ inline float4 read_factors(const void *p, long long i, int type) {
    if (type == FLOAT32) return ((const float4 *)p)[i];
    uint2 v = ((const uint2 *)p)[i];
    half_bits h[4] = {(half_bits)v.x, (half_bits)(v.x >> 16), (half_bits)v.y, (half_bits)(v.y >> 16)};
    if (type == BFLOAT16) return make_float4(from_bf16(h[0]), from_bf16(h[1]), from_bf16(h[2]), from_bf16(h[3]));
    return make_float4(from_f16(h[0]), from_f16(h[1]), from_f16(h[2]), from_f16(h[3]));
}
static __device__ inline void write_factors(void *p, long long i, int type, float4 v) {
    if (type == FLOAT32) {
        ((float4 *)p)[i] = v;
    } else if (type == BFLOAT16) {
        ((uint2 *)p)[i] = make_uint2(bf16::pack(v.x, v.y), bf16::pack(v.z, v.w));
    } else {
        ((uint2 *)p)[i] = make_uint2(f16::pack(v.x, v.y), f16::pack(v.z, v.w));
    }
}

template <class T> static __device__ inline T least(T a, T b) { return a < b ? a : b; }
template <class T> static __device__ inline T most(T a, T b) { return a < b ? b : a; }
static __device__ inline int ceil_div(int a, int b) { return (a + b - 1) / b; }

// Vectors of VL floats and the elementary functions on them, for every instruction set from one
// text.
//
// The file that includes this one sets VL (4, 8 or 16 lanes) and the target pragma first.
// Everything is written with GCC's vector extensions; intrinsics appear only where those have no
// word for an instruction (min, max).
//
// exp n = round(x/ln 2), r = x - n ln 2 in two steps (Cody and Waite), e^r = 1 + r + r^2 q(r),
// scaled by 2^n. Within
//       1 ulp with FMA, 2 without, for x in [-87.33, 88.37], constant outside.
// exp2 the same without the reduction, for y in [-126, 127]; constant below. gelu max(x, 0) - |x|
// 2^(|x| q(|x|) - 1), for erfc(t/sqrt 2) is the exponential of a smooth function of t: no
//       cancellation in the left tail, error below 1e-8 and, near 0, 1e-7 of the result before rounding. q was fitted
//       on [0, 6.4] and falls without bound past it.
//
// The polynomials are minimax fits (Lawson's iteration) made for this file. With FMA every
// instruction set gives the same bits.

#ifndef TACHI_VMATH_H
#define TACHI_VMATH_H

#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef float vfu __attribute__((vector_size(4 * VL), aligned(4), may_alias));

// UNROLL is for loops whose bounds are constants, so that small arrays are registers.
#define UNROLL _Pragma("GCC unroll 32")

static inline vf vload(const float *p) { return *(const vfu *)p; }
static inline void vstore(float *p, vf v) { *(vfu *)p = v; }
static inline vf vset(float x) { return x - (vf){}; }

// A partial vector: n < VL floats; the other lanes are 0 and are not stored.
#if VL == 16 && defined(__AVX512F__)
static inline vf vload_n(const float *p, long n) { return (vf)_mm512_maskz_loadu_ps((1u << n) - 1, p); }
static inline void vstore_n(float *p, vf v, long n) { _mm512_mask_storeu_ps(p, (1u << n) - 1, (__m512)v); }
#elif VL == 8 && defined(__AVX2__)
static inline __m256i vlanes(long n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf vload_n(const float *p, long n) { return (vf)_mm256_maskload_ps(p, vlanes(n)); }
static inline void vstore_n(float *p, vf v, long n) { _mm256_maskstore_ps(p, vlanes(n), (__m256)v); }
#else
static inline vf vload_n(const float *p, long n) {
    vf v = {};
    memcpy(&v, p, 4 * n);
    return v;
}
static inline void vstore_n(float *p, vf v, long n) { memcpy(p, &v, 4 * n); }
#endif

// mask ? a : b, lane by lane; mask comes from a comparison.
static inline vf vselect(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }

// a > b ? a : b and a < b ? a : b: a NaN in b survives.
#if VL == 16 && defined(__AVX512F__)
static inline vf vmax(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
static inline vf vmin(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
#elif VL == 8 && defined(__AVX__)
static inline vf vmax(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
static inline vf vmin(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
#elif VL == 4 && defined(__SSE2__)
static inline vf vmax(vf a, vf b) { return (vf)_mm_max_ps((__m128)a, (__m128)b); }
static inline vf vmin(vf a, vf b) { return (vf)_mm_min_ps((__m128)a, (__m128)b); }
#else
static inline vf vmax(vf a, vf b) { return vselect(a > b, a, b); }
static inline vf vmin(vf a, vf b) { return vselect(a < b, a, b); }
#endif

static inline vf vabs(vf x) { return (vf)((vi)x & 0x7fffffff); }

// Sum over the lanes, pairwise: lane i meets lane i + VL/2, and so on down.
static inline float vsum(vf v) {
#if VL == 16
    v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15);
    v += __builtin_shufflevector(v, v, 2, 3, 2, 3, 6, 7, 6, 7, 10, 11, 10, 11, 14, 15, 14, 15);
#elif VL == 8
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7);
    v += __builtin_shufflevector(v, v, 2, 3, 2, 3, 6, 7, 6, 7);
#else
    v += __builtin_shufflevector(v, v, 2, 3, 2, 3);
#endif
    return v[0] + v[1];
}

// vwhole holds the nearest integer n in a form of the processor's own, vnearest reads it, and
// vscale returns p 2^n, where the result is a normal number.
#if VL == 16 && defined(__AVX512F__)
static inline vf vwhole(vf x) { return (vf)_mm512_roundscale_ps((__m512)x, 0); }
static inline vf vnearest(vf z) { return z; }
static inline vf vscale(vf p, vf z) { return (vf)_mm512_scalef_ps((__m512)p, (__m512)z); }
#else
#define VROUND 12582912.0f // adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits
static inline vf vwhole(vf x) { return x + VROUND; }
static inline vf vnearest(vf z) { return z - VROUND; }
static inline vf vscale(vf p, vf z) { return (vf)((vi)p + ((vi)z << 23)); }
#endif

static inline vf vexp(vf x) {
    x = vmin(vset(88.37f), vmax(vset(-87.33f), x));
    vf z = vwhole(x * 1.44269504f), n = vnearest(z);
    vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vf q = r * 1.381455977e-03f + 8.368735570e-03f;
    q = q * r + 4.166838986e-02f;
    q = q * r + 1.666652048e-01f;
    q = q * r + 4.999999344e-01f;
    return vscale(q * (r * r) + r + 1.0f, z);
}

// vexp2s and vgelus do n vectors, a constant, in step. Each is one long chain of operations, and
// chains side by side fill the time that the processor waits for the end of one.
#define INSTEP _Pragma("GCC unroll 8") for (int i = 0; i < n; i++)

static inline __attribute__((always_inline)) void vexp2s(vf *y, const int n) {
    vf z[8], r[8], p[8];
    INSTEP y[i] = vmax(vset(-126.0f), y[i]);
    INSTEP z[i] = vwhole(y[i]);
    INSTEP r[i] = y[i] - vnearest(z[i]);
    INSTEP p[i] = r[i] * 1.535336189e-04f + 1.339887442e-03f;
    INSTEP p[i] = p[i] * r[i] + 9.618437358e-03f;
    INSTEP p[i] = p[i] * r[i] + 5.550332471e-02f;
    INSTEP p[i] = p[i] * r[i] + 2.402264791e-01f;
    INSTEP p[i] = p[i] * r[i] + 6.931472029e-01f;
    INSTEP y[i] = vscale(p[i] * r[i] + 1.0f, z[i]);
}

static inline vf vexp2(vf y) {
    vexp2s(&y, 1);
    return y;
}

static inline vf vrelu(vf x) { return vmax(vset(0.0f), x); }

static inline __attribute__((always_inline)) void vgelus(vf *x, const int n) {
    vf a[8], q[8];
    INSTEP a[i] = vabs(x[i]);
    INSTEP q[i] = a[i] * -1.996662542e-06f + 2.934309405e-05f;
    INSTEP q[i] = q[i] * a[i] + -1.385263977e-04f;
    INSTEP q[i] = q[i] * a[i] + -2.519870629e-04f;
    INSTEP q[i] = q[i] * a[i] + 7.213591160e-03f;
    INSTEP q[i] = q[i] * a[i] + -5.259984288e-02f;
    INSTEP q[i] = q[i] * a[i] + -4.591743286e-01f;
    INSTEP q[i] = q[i] * a[i] + -1.151109007e+00f;
    INSTEP q[i] = q[i] * a[i] + -1.0f;
    vexp2s(q, n);
    INSTEP x[i] = vrelu(x[i]) - a[i] * q[i];
}

static inline vf vgelu(vf x) {
    vgelus(&x, 1);
    return x;
}

static inline vf vsigmoid(vf x) { return 1.0f / (1.0f + vexp(-x)); }

static inline vf vstep(vf x) { return (vf)((vi)vset(1.0f) & (x > 0.0f)); }

// The activations, numbered as kernels.Act.
enum { ACT_NONE, ACT_RELU, ACT_GELU, ACT_SIGMOID, ACT_STEP };

static inline vf vact(vf x, int act) {
    switch (act) {
    case ACT_RELU: return vrelu(x);
    case ACT_GELU: return vgelu(x);
    case ACT_SIGMOID: return vsigmoid(x);
    case ACT_STEP: return vstep(x);
    }
    return x;
}

// vacts does n vectors, a constant of at most 8.
static inline __attribute__((always_inline)) void vacts(vf *x, const int n, int act) {
    if (act == ACT_GELU)
        vgelus(x, n);
    else
        INSTEP x[i] = vact(x[i], act);
}

#endif

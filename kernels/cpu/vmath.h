// Vectors of VL floats and the elementary functions on them, for every instruction set from one text.
//
// The file that includes this one sets VL (4, 8 or 16 lanes) and the target pragma first. Everything is written
// with GCC's vector extensions; intrinsics appear only where those have no word for an instruction (min, max).
//
// exp   n = round(x/ln 2), r = x - n ln 2 in two steps (Cody and Waite), e^r = 1 + r + r^2 q(r), and n is added
//       to the exponent bits. Within 1 ulp with FMA, 2 without, for x in [-87.33, 88.37]; 0 below, constant above.
// erfc  2^(t q(t)) for t = |x|, q fitted so that the absolute error stays below 1e-7; q falls without bound past
//       the fitted range [0, 4.5], so the tail goes to 0.
// gelu  x - x/2 erfc(x/sqrt 2) for x > 0 and x/2 erfc(-x/sqrt 2) for x <= 0: no cancellation in the left tail.
//
// The polynomials are minimax fits (Lawson's iteration) made for this file.

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

static inline vf vload(const float *p) { return *(const vfu *)p; }
static inline void vstore(float *p, vf v) { *(vfu *)p = v; }
static inline vf vset(float x) { return x - (vf){}; }

// A partial vector: n < VL floats; the other lanes are 0 and are not stored.
static inline vf vload_n(const float *p, long n) {
    vf v = {};
    memcpy(&v, p, 4 * n);
    return v;
}
static inline void vstore_n(float *p, vf v, long n) { memcpy(p, &v, 4 * n); }

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

// Sum and maximum over the lanes, pairwise: lane i meets lane i + VL/2, and so on down.
static inline float vsum(vf v) {
    float a[VL];
    memcpy(a, &v, sizeof a);
    for (int h = VL / 2; h > 0; h /= 2)
        for (int i = 0; i < h; i++) a[i] += a[i + h];
    return a[0];
}
static inline float vhmax(vf v) {
    float a[VL];
    memcpy(a, &v, sizeof a);
    for (int h = VL / 2; h > 0; h /= 2)
        for (int i = 0; i < h; i++) a[i] = a[i] > a[i + h] ? a[i] : a[i + h];
    return a[0];
}

// Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
#define VROUND 12582912.0f

static inline vf vexp(vf x) {
    vi dead = x < -87.33f;
    x = vmin(vset(88.37f), vmax(vset(-87.33f), x));
    vf shifted = x * 1.44269504f + VROUND;
    vf n = shifted - VROUND;
    vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vf q = r * 1.381455977e-03f + 8.368735570e-03f;
    q = q * r + 4.166838986e-02f;
    q = q * r + 1.666652048e-01f;
    q = q * r + 4.999999344e-01f;
    vf p = q * (r * r) + r + 1.0f;
    vf e = (vf)((vi)p + ((vi)shifted << 23));
    return (vf)((vi)e & ~dead);
}

// 2^y for y <= 127; 0 below -126.
static inline vf vexp2(vf y) {
    vi dead = y < -126.0f;
    y = vmax(vset(-126.0f), y);
    vf shifted = y + VROUND;
    vf r = y - (shifted - VROUND);
    vf p = r * 1.535336189e-04f + 1.339887442e-03f;
    p = p * r + 9.618437358e-03f;
    p = p * r + 5.550332471e-02f;
    p = p * r + 2.402264791e-01f;
    p = p * r + 6.931472029e-01f;
    p = p * r + 1.0f;
    vf e = (vf)((vi)p + ((vi)shifted << 23));
    return (vf)((vi)e & ~dead);
}

// erfc of t >= 0.
static inline vf verfc_abs(vf t) {
    t = vmin(vset(16.0f), t);
    vf q = t * -4.535860870e-05f + 4.455077439e-04f;
    q = q * t + -1.489441986e-03f;
    q = q * t + -7.746290177e-04f;
    q = q * t + 2.825368047e-02f;
    q = q * t + -1.484816148e-01f;
    q = q * t + -9.184163933e-01f;
    q = q * t + -1.627908593e+00f;
    return vexp2(q * t);
}

static inline vf verf(vf x) {
    vf y = 1.0f - verfc_abs(vabs(x));
    return (vf)(((vi)x & INT32_MIN) | (vi)y);
}

static inline vf vgelu(vf x) {
    vf h = x * 0.5f * verfc_abs(vabs(x) * 0.70710678118654752f);
    return vselect(x > 0.0f, x - h, h);
}

static inline vf vsigmoid(vf x) { return 1.0f / (1.0f + vexp(-x)); }

static inline vf vrelu(vf x) { return vmax(vset(0.0f), x); }

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

#endif

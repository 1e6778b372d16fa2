// The kernels that every instruction set offers, and how Go calls them.
//
// There is one table of functions for each instruction set. isa_plain.c, isa_avx2.c and
// isa_avx512.c set the target, the vector length and the height of the register tile, and include
// isa.h, which includes the bodies (gemm.h, norm.h, ...) and fills in the table. To add a kernel:
// write its body in a header with the vectors of vmath.h, include a new header in isa.h, and add a
// line to KERNELS.

#ifndef TACHI_KERNELS_H
#define TACHI_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// What is done to a product before it is stored: y = act(a b + bias + res).
typedef struct {
    const float *bias; // [n], or null
    const float *res;  // [resrows, n], or null; row i of the product takes row (row0 + i) mod resrows
    long resrows;
    long row0;
    int act; // kernels.Act
} epilogue;

// A convolution of one picture.
typedef struct {
    long h, w, c; // the map
    long oh, ow;  // the result
    long kernel, stride, pad;
} convshape;

// A map of fused projections and one window of it.
typedef struct {
    const float *qkv; // [h, w, 3c]
    const float *pad; // the projection of a pad token, [3c]
    float *y;         // [h, w, c], halved by pool
    long h, w, c;
    long d;      // channels of a head
    long y0, x0; // the window's first pixel
    long wh, ww; // its size, which may reach past the map
    int pool;    // queries are the maxima of 2 x 2
} window;

// The operands of kernels.RotaryAttention.
typedef struct {
    const float *q, *x, *w, *bias, *cos, *sin, *v;
    float *y;
    long d, m, dv; // channels of a query, of a row of x and of one of v
    long side;     // of a map
    long maps, n;  // maps at the beginning of the n rows
    long groups;   // of queries, that one call does
    float *once;   // the columns of w, and x and v in the order in which they are read; see attention_rotary.h
    float scale;
} rotary;

// A plane being enlarged or reduced by bilinear interpolation: see resize.h.
typedef struct {
    const float *x; // [., w]
    long w, ow;
    const int32_t *x0, *x1, *y0, *y1; // the two source columns of a result's column, the two rows of its row
    const float *tx, *ty;             // the weight of the second
    float *work;                      // rows [ow], as many as the enum below says
    long have[2];                     // which rows those are, -1 at first
} bilinear;

enum { RESIZEROWS = 2, MASKBOXROWS = RESIZEROWS + 2 }; // of work: two stretched ones; and for maskbox two more

// The weights of a resampled axis: output i has count[i], weight[i * taps ...], from source element
// first[i] on.
typedef struct {
    const int32_t *first, *count;
    const float *weight;
    long taps;
} filter;

// The same in fixed point with 22 fractional bits.
typedef struct {
    const int32_t *first, *count, *weight;
    long taps;
} fixed;

// spaced is how far apart rows of k floats lie in work: no multiple of 4 KiB, and with room for a
// vector behind each.
static inline long spaced(long k) { return k + 16; }

// KERNELS lists the kernels of a table: X(result, name, (parameters), (arguments)). The table, the
// calls for Go and, in isa.h, the entries of each table are made of it.
//
// pack panels p0..p1 of the weights w [n, k], rows ldw apart; see gemm.h gemm some rows and the
// panels p0..p1. work is null or room for the rows of a, spaced, to copy
//              them to first. next is so many floats that are fetched meanwhile
// attend... Work is counted in floats: attendqueries is how many queries one call of attend does at
//              most, attendwork its work, attendonce the copied keys of a head, keyblocks how many
//              blocks those are; see attention.h. attendwindows: see attention_window.h
// rotary... rotarypieces is how many pieces there are, rotaryonce the floats of `once`, arrange
// makes
//              some of them; see attention_rotary.h
// the others see the header of that name, or element.h, norm.h, maps.h, resize.h, masks.h
#define KERNELS(X) \
    X(void, pack, (float *dst, const float *w, long ldw, long n, long k, long p0, long p1), \
      (dst, w, ldw, n, k, p0, p1)) \
    X(void, gemm, (const float *a, long lda, long rows, long k, const float *b, long p0, \
      long p1, long n, float *y, long ldy, epilogue e, float *work, const float *next, \
      long floats), \
      (a, lda, rows, k, b, p0, p1, n, y, ldy, e, work, next, floats)) \
    X(void, im2col, (float *dst, long ldd, const float *x, convshape s, long o0, long o1), \
      (dst, ldd, x, s, o0, o1)) \
    X(void, scatter, (const float *t, long r0, long r1, long w, long n, const float *bias, \
      const float *res, int act, float *y), \
      (t, r0, r1, w, n, bias, res, act, y)) \
    X(long, attendqueries, (long nq, long d, long dv), (nq, d, dv)) \
    X(long, attendwork, (long nq, long d, long dv), (nq, d, dv)) \
    X(long, attendonce, (long nq, long nk, long d, long dv), (nq, nk, d, dv)) \
    X(long, keyblocks, (long nk, long d, long dv), (nk, d, dv)) \
    X(void, copykeys, (const float *k, long ldk, const float *v, long ldv, long nk, long d, \
      long dv, long b0, long b1, float *to), \
      (k, ldk, v, ldv, nk, d, dv, b0, b1, to)) \
    X(void, attend, (const float *q, long ldq, const float *k, long ldk, const float *v, \
      long ldv, const float *copied, float *y, long ldy, long q0, long q1, long nk, long d, \
      long dv, float scale, float *work), \
      (q, ldq, k, ldk, v, ldv, copied, y, ldy, q0, q1, nk, d, dv, scale, work)) \
    X(long, windowwork, (window w), (w)) \
    X(void, attendwindows, (window w, long i0, long i1, float scale, float *work), \
      (w, i0, i1, scale, work)) \
    X(long, rotarywork, (rotary a), (a)) \
    X(long, rotarypieces, (rotary a), (a)) \
    X(long, rotaryonce, (rotary a), (a)) \
    X(void, arrange, (rotary a, long i0, long i1), (a, i0, i1)) \
    X(void, attendrotary, (rotary a, long q0, long q1, float *work), (a, q0, q1, work)) \
    X(void, add, (const float *a, const float *b, long lb, long b0, float alpha, float *y, \
      long n), \
      (a, b, lb, b0, alpha, y, n)) \
    X(void, activate, (const float *x, int act, float scale, float bias, float *y, long n), \
      (x, act, scale, bias, y, n)) \
    X(void, fill, (float *y, float value, long n), (y, value, n)) \
    X(void, tof16, (const float *x, uint16_t *y, long n), (x, y, n)) \
    X(void, tobf16, (const float *x, uint16_t *y, long n), (x, y, n)) \
    X(void, fromf16, (const uint16_t *x, float *y, long n), (x, y, n)) \
    X(void, frombf16, (const uint16_t *x, float *y, long n), (x, y, n)) \
    X(void, layernorm, (const float *x, const float *gamma, const float *beta, float eps, \
      int act, long rows, long c, float *y), \
      (x, gamma, beta, eps, act, rows, c, y)) \
    X(void, rope, (const float *x, const float *cos, const float *sin, long p, long r0, long r1, \
      long d, float *y), \
      (x, cos, sin, p, r0, r1, d, y)) \
    X(void, depthwise, (const float *x, const float *wt, const float *bias, int kernel, long h, \
      long w, long c, long y0, long y1, float *out), \
      (x, wt, bias, kernel, h, w, c, y0, y1, out)) \
    X(void, maxpool, (const float *x, long w, long c, long y0, long y1, float *y), \
      (x, w, c, y0, y1, y)) \
    X(void, upsampleadd, (const float *x, const float *top, long w, long c, long y0, long y1, \
      float *y), \
      (x, top, w, c, y0, y1, y)) \
    X(void, resize, (bilinear s, long o0, long o1, float *y), (s, o0, o1, y)) \
    X(void, tapsacross, (const float *x, long rows, long w, filter f, long ow, float *y), \
      (x, rows, w, f, ow, y)) \
    X(void, tapsdown, (const float *x, filter f, long o0, long o1, long n, float *y), \
      (x, f, o0, o1, n, y)) \
    X(void, maskbox, (bilinear s, long o0, long o1, int32_t *box), (s, o0, o1, box)) \
    X(long, countabove, (const float *x, long n, float threshold), (x, n, threshold)) \
    X(void, preprocess, (const uint8_t *x, long w, long s, fixed fx, fixed fy, \
      const float *table, long o0, long o1, float *y, uint8_t *work), \
      (x, w, s, fx, fy, table, o0, o1, y, work)) \
    X(double, peak, (long n, float *sink), (n, sink))

#define UNWRAPPED(...) __VA_ARGS__
#define MEMBER(RESULT, NAME, PARAMETERS, ARGUMENTS) RESULT (*NAME) PARAMETERS;
#define CALL(RESULT, NAME, PARAMETERS, ARGUMENTS) \
    static inline RESULT call_##NAME(const kernels *isa, UNWRAPPED PARAMETERS) { return isa->NAME ARGUMENTS; }

typedef struct {
    const char *name;
    long nr;            // columns of a panel of packed weights
    long group, groups; // queries of a group, and groups, at most, of one call of attendrotary
    KERNELS(MEMBER)
} kernels;

// The tables, or null where the processor lacks the instructions.
const kernels *kernels_plain(void);
const kernels *kernels_avx2(void);
const kernels *kernels_avx512(void);

// cgo cannot call through a pointer; these can.
KERNELS(CALL)

#endif

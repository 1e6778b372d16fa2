// The kernels that every instruction set offers, and how Go calls them.
//
// There is one table of functions for each instruction set. isa_plain.c, isa_avx2.c and isa_avx512.c set the target,
// the vector length and the height of the register tile, and include isa.h, which includes the bodies (gemm.h, conv.h,
// ...) and fills in the table. To add a kernel: write its body in a header with the vectors of vmath.h, add it to the
// table and to the wrappers here, and name it in isa.h.

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
    float *once;   // the columns of w, and x and v in the order in which they are read; see rotary.h
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

// The weights of a resampled axis: output i has count[i], weight[i * taps ...], from source element first[i] on.
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

// spaced is how far apart rows of k floats lie in work: no multiple of 4 KiB, and with room for a vector behind each.
static inline long spaced(long k) { return k + 16; }

typedef struct {
    const char *name;
    long nr; // columns of a panel of packed weights

    void (*pack)(float *dst, const float *w, long ldw, long n, long k, long p0, long p1);
    // gemm does some rows and the panels p0..p1. work is null or room for the rows of a, spaced, to copy them to first. next is
    // so many floats that are fetched meanwhile.
    void (*gemm)(const float *a, long lda, long rows, long k, const float *b, long p0, long p1, long n, float *y,
                 long ldy, epilogue e, float *work, const float *next, long floats);
    void (*im2col)(float *dst, long ldd, const float *x, convshape s, long o0, long o1);
    void (*scatter)(const float *t, long r0, long r1, long w, long n, const float *bias, const float *res, int act,
                    float *y);

    // Attention; see attention.h and window.h. Work is counted in floats.
    long (*queries)(long nq, long d, long dv); // at most, of one call of attend
    long (*attendwork)(long nq, long d, long dv);
    long (*attendonce)(long nq, long nk, long d, long dv); // of the copied keys of a head
    long (*keyblocks)(long nk, long d, long dv);           // how many blocks those are
    void (*copykeys)(const float *k, long ldk, const float *v, long ldv, long nk, long d, long dv, long b0, long b1, float *to);
    void (*attend)(const float *q, long ldq, const float *k, long ldk, const float *v, long ldv, const float *copied, float *y,
                   long ldy, long q0, long q1, long nk, long d, long dv, float scale, float *work);
    long (*windowwork)(window w);
    void (*attendwindows)(window w, long i0, long i1, float scale, float *work);

    long group, groups; // queries of a group, and groups, at most, of one call of attendrotary; see rotary.h
    long (*rotarywork)(rotary a);
    long (*rotarypieces)(rotary a);              // how many pieces there are
    long (*rotaryonce)(rotary a);                // floats of `once`
    void (*arrange)(rotary a, long i0, long i1); // makes some of them
    void (*attendrotary)(rotary a, long q0, long q1, float *work);

    // element.h
    void (*add)(const float *a, const float *b, long lb, long b0, float alpha, float *y, long n);
    void (*activate)(const float *x, int act, float scale, float bias, float *y, long n);
    void (*fill)(float *y, float value, long n);
    void (*tof16)(const float *x, uint16_t *y, long n);
    void (*tobf16)(const float *x, uint16_t *y, long n);
    void (*fromf16)(const uint16_t *x, float *y, long n);
    void (*frombf16)(const uint16_t *x, float *y, long n);
    // norm.h, rope.h, depthwise.h
    void (*layernorm)(const float *x, const float *gamma, const float *beta, float eps, int act, long rows, long c,
                      float *y);
    void (*rope)(const float *x, const float *cos, const float *sin, long p, long r0, long r1, long d, float *y);
    void (*depthwise)(const float *x, const float *wt, const float *bias, int kernel, long h, long w, long c, long y0,
                      long y1, float *out);
    // resize.h
    void (*maxpool)(const float *x, long w, long c, long y0, long y1, float *y);
    void (*upsampleadd)(const float *x, const float *top, long w, long c, long y0, long y1, float *y);
    void (*resize)(bilinear s, long o0, long o1, float *y);
    void (*tapsacross)(const float *x, long rows, long w, filter f, long ow, float *y);
    void (*tapsdown)(const float *x, filter f, long o0, long o1, long n, float *y);
    // masks.h, preprocess.h
    void (*maskbox)(bilinear s, long o0, long o1, int32_t *box);
    long (*countabove)(const float *x, long n, float threshold);
    void (*preprocess)(const uint8_t *x, long w, long s, fixed fx, fixed fy, const float *table, long o0, long o1,
                       float *y, uint8_t *work);

    double (*peak)(long n, float *sink);
} kernels;

// The tables, or null where the processor lacks the instructions.
const kernels *kernels_plain(void);
const kernels *kernels_avx2(void);
const kernels *kernels_avx512(void);

// cgo cannot call through a pointer; these can.
static inline void call_pack(const kernels *t, float *dst, const float *w, long ldw, long n, long k, long p0,
                             long p1) {
    t->pack(dst, w, ldw, n, k, p0, p1);
}
static inline void call_gemm(const kernels *t, const float *a, long lda, long rows, long k, const float *b, long p0,
                             long p1, long n, float *y, long ldy, epilogue e, float *work, const float *next,
                             long floats) {
    t->gemm(a, lda, rows, k, b, p0, p1, n, y, ldy, e, work, next, floats);
}
static inline void call_im2col(const kernels *t, float *dst, long ldd, const float *x, convshape s, long o0,
                               long o1) {
    t->im2col(dst, ldd, x, s, o0, o1);
}
static inline void call_scatter(const kernels *t, const float *p, long r0, long r1, long w, long n,
                                const float *bias, const float *res, int act, float *y) {
    t->scatter(p, r0, r1, w, n, bias, res, act, y);
}
static inline long call_queries(const kernels *t, long nq, long d, long dv) { return t->queries(nq, d, dv); }
static inline long call_attendwork(const kernels *t, long nq, long d, long dv) { return t->attendwork(nq, d, dv); }
static inline long call_attendonce(const kernels *t, long nq, long nk, long d, long dv) { return t->attendonce(nq, nk, d, dv); }
static inline long call_keyblocks(const kernels *t, long nk, long d, long dv) { return t->keyblocks(nk, d, dv); }
static inline void call_copykeys(const kernels *t, const float *k, long ldk, const float *v, long ldv, long nk, long d, long dv,
                                 long b0, long b1, float *to) {
    t->copykeys(k, ldk, v, ldv, nk, d, dv, b0, b1, to);
}
static inline void call_attend(const kernels *t, const float *q, long ldq, const float *k, long ldk, const float *v,
                               long ldv, const float *copied, float *y, long ldy, long q0, long q1, long nk, long d, long dv,
                               float scale, float *work) {
    t->attend(q, ldq, k, ldk, v, ldv, copied, y, ldy, q0, q1, nk, d, dv, scale, work);
}
static inline long call_windowwork(const kernels *t, window w) { return t->windowwork(w); }
static inline void call_attendwindows(const kernels *t, window w, long i0, long i1, float scale, float *work) {
    t->attendwindows(w, i0, i1, scale, work);
}
static inline long call_rotarywork(const kernels *t, rotary a) { return t->rotarywork(a); }
static inline long call_rotarypieces(const kernels *t, rotary a) { return t->rotarypieces(a); }
static inline long call_rotaryonce(const kernels *t, rotary a) { return t->rotaryonce(a); }
static inline void call_arrange(const kernels *t, rotary a, long i0, long i1) { t->arrange(a, i0, i1); }
static inline void call_attendrotary(const kernels *t, rotary a, long q0, long q1, float *work) {
    t->attendrotary(a, q0, q1, work);
}
static inline void call_add(const kernels *t, const float *a, const float *b, long lb, long b0, float alpha, float *y,
                            long n) {
    t->add(a, b, lb, b0, alpha, y, n);
}
static inline void call_activate(const kernels *t, const float *x, int act, float scale, float bias, float *y,
                                 long n) {
    t->activate(x, act, scale, bias, y, n);
}
static inline void call_fill(const kernels *t, float *y, float value, long n) {
    t->fill(y, value, n);
}
static inline void call_tof16(const kernels *t, const float *x, uint16_t *y, long n) {
    t->tof16(x, y, n);
}
static inline void call_tobf16(const kernels *t, const float *x, uint16_t *y, long n) {
    t->tobf16(x, y, n);
}
static inline void call_fromf16(const kernels *t, const uint16_t *x, float *y, long n) {
    t->fromf16(x, y, n);
}
static inline void call_frombf16(const kernels *t, const uint16_t *x, float *y, long n) {
    t->frombf16(x, y, n);
}
static inline void call_layernorm(const kernels *t, const float *x, const float *gamma, const float *beta, float eps,
                                  int act, long rows, long c, float *y) {
    t->layernorm(x, gamma, beta, eps, act, rows, c, y);
}
static inline void call_rope(const kernels *t, const float *x, const float *cos, const float *sin, long p, long r0,
                             long r1, long d, float *y) {
    t->rope(x, cos, sin, p, r0, r1, d, y);
}
static inline void call_depthwise(const kernels *t, const float *x, const float *wt, const float *bias, int kernel,
                                  long h, long w, long c, long y0, long y1, float *out) {
    t->depthwise(x, wt, bias, kernel, h, w, c, y0, y1, out);
}
static inline void call_maxpool(const kernels *t, const float *x, long w, long c, long y0, long y1, float *y) {
    t->maxpool(x, w, c, y0, y1, y);
}
static inline void call_upsampleadd(const kernels *t, const float *x, const float *top, long w, long c, long y0,
                                    long y1, float *y) {
    t->upsampleadd(x, top, w, c, y0, y1, y);
}
static inline void call_resize(const kernels *t, bilinear s, long o0, long o1, float *y) {
    t->resize(s, o0, o1, y);
}
static inline void call_tapsacross(const kernels *t, const float *x, long rows, long w, filter f, long ow, float *y) {
    t->tapsacross(x, rows, w, f, ow, y);
}
static inline void call_tapsdown(const kernels *t, const float *x, filter f, long o0, long o1, long n, float *y) {
    t->tapsdown(x, f, o0, o1, n, y);
}
static inline void call_maskbox(const kernels *t, bilinear s, long o0, long o1, int32_t *box) {
    t->maskbox(s, o0, o1, box);
}
static inline long call_countabove(const kernels *t, const float *x, long n, float threshold) {
    return t->countabove(x, n, threshold);
}
static inline void call_preprocess(const kernels *t, const uint8_t *x, long w, long s, fixed fx, fixed fy,
                                   const float *table, long o0, long o1, float *y, uint8_t *work) {
    t->preprocess(x, w, s, fx, fy, table, o0, o1, y, work);
}
static inline double call_peak(const kernels *t, long n, float *sink) { return t->peak(n, sink); }

#endif

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

// One head of a map [h, w, 3c] of fused projections and one window of it.
typedef struct {
    const float *qkv; // the map, from the head's first query channel on
    const float *pad; // the projection of a pad token, [3c], from the same channel on
    float *y;         // the result [h, w, c], halved by pool, from the head's first channel on
    long h, w, c;
    long d;      // channels of the head
    long y0, x0; // the window's first pixel
    long wh, ww; // its size, which may reach past the map
    int pool;    // queries are the maxima of 2 x 2
} window;

typedef struct {
    const char *name;
    long nr; // columns of a panel of packed weights

    void (*pack)(float *dst, const float *w, long ldw, long n, long k, long p0, long p1);
    // gemm does some rows and the panels p0..p1. work is null or rows * (k + 16) floats to copy a to first.
    void (*gemm)(const float *a, long lda, long rows, long k, const float *b, long p0, long p1, long n, float *y,
                 long ldy, epilogue e, float *work);
    void (*im2col)(float *dst, long ldd, const float *x, convshape s, long o0, long o1);
    void (*scatter)(const float *t, long r0, long r1, long w, long n, const float *bias, const float *res, int act,
                    float *y);

    // Attention; see attention.h and window.h. Work is counted in floats.
    long queries; // at most, of one call of attend
    long (*attendwork)(long d, long dv);
    void (*attend)(const float *q, long ldq, const float *k, long ldk, const float *v, long ldv, float *y, long ldy,
                   long q0, long q1, long nk, long d, long dv, float scale, float *work);
    long (*windowwork)(window w);
    void (*attendwindow)(window w, long q0, long q1, float scale, float *work);
    void (*attendwindows)(window w, long size, float scale, float *work);

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
                             long p1, long n, float *y, long ldy, epilogue e, float *work) {
    t->gemm(a, lda, rows, k, b, p0, p1, n, y, ldy, e, work);
}
static inline void call_im2col(const kernels *t, float *dst, long ldd, const float *x, convshape s, long o0,
                               long o1) {
    t->im2col(dst, ldd, x, s, o0, o1);
}
static inline void call_scatter(const kernels *t, const float *p, long r0, long r1, long w, long n,
                                const float *bias, const float *res, int act, float *y) {
    t->scatter(p, r0, r1, w, n, bias, res, act, y);
}
static inline long call_attendwork(const kernels *t, long d, long dv) { return t->attendwork(d, dv); }
static inline void call_attend(const kernels *t, const float *q, long ldq, const float *k, long ldk, const float *v,
                               long ldv, float *y, long ldy, long q0, long q1, long nk, long d, long dv, float scale,
                               float *work) {
    t->attend(q, ldq, k, ldk, v, ldv, y, ldy, q0, q1, nk, d, dv, scale, work);
}
static inline long call_windowwork(const kernels *t, window w) { return t->windowwork(w); }
static inline void call_attendwindow(const kernels *t, window w, long q0, long q1, float scale, float *work) {
    t->attendwindow(w, q0, q1, scale, work);
}
static inline void call_attendwindows(const kernels *t, window w, long size, float scale, float *work) {
    t->attendwindows(w, size, scale, work);
}
static inline double call_peak(const kernels *t, long n, float *sink) { return t->peak(n, sink); }

#endif

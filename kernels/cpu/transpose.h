// Transposition of blocks of VL x VL floats in registers: at step h the h x h blocks off the diagonal change places.

#define SWAP(h)                                                                                     \
    {                                                                                               \
        vi lo, hi; /* lane l of the two results, taken from a and b laid end to end */              \
        for (int l = 0; l < VL; l++) lo[l] = l & (h) ? VL + l - (h) : l, hi[l] = l & (h) ? VL + l : l + (h); \
        _Pragma("GCC unroll 16") for (int i = 0; i < VL; i++) if (!(i & (h))) {                     \
            vf a = r[i], b = r[i + (h)];                                                            \
            r[i] = __builtin_shuffle(a, b, lo);                                                     \
            r[i + (h)] = __builtin_shuffle(a, b, hi);                                               \
        }                                                                                           \
    }

static inline void transpose(vf *r) {
    SWAP(1)
    SWAP(2)
#if VL >= 8
    SWAP(4)
#endif
#if VL >= 16
    SWAP(8)
#endif
}

// columns writes src, n rows of k floats, as k rows of NR floats, times scale, zeros past n.
static void columns(float *dst, const float *const *src, long n, long k, float scale) {
    for (long c = 0; c < NR; c += VL)
        for (long s = 0; s < k; s += VL) {
            vf r[VL] = {};
            for (int i = 0; i < VL && c + i < n; i++) {
                const float *p = src[c + i] + s;
                r[i] = (k - s >= VL ? vload(p) : vload_n(p, k - s)) * scale;
            }
            transpose(r);
            for (int i = 0; i < VL && s + i < k; i++) vstore(dst + (s + i) * NR + c, r[i]);
        }
}

// rows is the inverse: it writes k rows of NR floats, each times a row of factors, to n rows of k floats.
static void rows(float *const *dst, const float *src, long n, long k, const float *factor) {
    for (long c = 0; c < n; c += VL) {
        vf f = vload(factor + c);
        for (long s = 0; s < k; s += VL) {
            vf r[VL] = {};
            for (int i = 0; i < VL && s + i < k; i++) r[i] = vload(src + (s + i) * NR + c) * f;
            transpose(r);
            for (int i = 0; i < VL && c + i < n; i++) {
                if (k - s >= VL) vstore(dst[c + i] + s, r[i]);
                else vstore_n(dst[c + i] + s, r[i], k - s);
            }
        }
    }
}

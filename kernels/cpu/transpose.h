// Transposition of blocks of VL x VL floats in registers: at step h the h x h blocks off the
// diagonal change places.

#define SWAP(h)                                                                                                     \
    {                                                                                                               \
        vi lo, hi; /* lane l of the two results, taken from a and b laid end to end */                              \
        UNROLL for (int l = 0; l < VL; l++) lo[l] = l & (h) ? VL + l - (h) : l, hi[l] = l & (h) ? VL + l : l + (h); \
        UNROLL for (int i = 0; i < VL; i++) if (!(i & (h))) {                                                       \
            vf a = r[i], b = r[i + (h)];                                                                            \
            r[i] = __builtin_shuffle(a, b, lo);                                                                     \
            r[i + (h)] = __builtin_shuffle(a, b, hi);                                                               \
        }                                                                                                           \
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

// transposed writes src, n rows of k floats, as k rows of ld floats, times scale, zeros past n.
static void transposed(float *dst, long ld, const float *const *src, long n, long k, float scale) {
    for (long c = 0; c < ld; c += VL)
        for (long s = 0; s < k; s += VL) {
            vf r[VL];
            if (n - c >= VL && k - s >= VL) { // constant bounds keep r in registers
                for (int i = 0; i < VL; i++) r[i] = vload(src[c + i] + s) * scale;
                transpose(r);
                for (int i = 0; i < VL; i++) vstore(dst + (s + i) * ld + c, r[i]);
                continue;
            }
            long w = k - s < VL ? k - s : VL;
            for (int i = 0; i < VL; i++) r[i] = c + i < n ? vload_n(src[c + i] + s, w) * scale : (vf){};
            transpose(r);
            for (int i = 0; i < w; i++) vstore(dst + (s + i) * ld + c, r[i]);
        }
}

// transposed_back is the inverse: it writes k rows of ld floats, each multiplied by the row
// `scale`, to n rows of k floats.
static void transposed_back(float *const *dst, const float *src, long ld, long n, long k, const float *scale) {
    for (long c = 0; c < n; c += VL) {
        vf f = vload(scale + c);
        for (long s = 0; s < k; s += VL) {
            vf r[VL];
            if (n - c >= VL && k - s >= VL) {
                for (int i = 0; i < VL; i++) r[i] = vload(src + (s + i) * ld + c) * f;
                transpose(r);
                for (int i = 0; i < VL; i++) vstore(dst[c + i] + s, r[i]);
                continue;
            }
            long w = k - s < VL ? k - s : VL;
            for (int i = 0; i < VL; i++) r[i] = i < w ? vload(src + (s + i) * ld + c) * f : (vf){};
            transpose(r);
            for (int i = 0; i < VL && c + i < n; i++) vstore_n(dst[c + i] + s, r[i], w);
        }
    }
}

// Depthwise convolution, a vector of channels at a time.
//
// For one output row, a block of PX pixels is summed in registers. For each row of the kernel its K
// weights are held in registers too, and each input pixel is read once and added to the K outputs
// that see it: K + PX - 1 loads of pixels for K * PX multiply-adds. An output adds its terms in the
// order (ky, kx), whatever the block, and pixels outside the map count as zeros.

#if VL == 16
#define PX 12
#else
#define PX 6
#endif

static inline vf load_part(const float *p, long n) { return n >= VL ? vload(p) : vload_n(p, n); }

// One block: outputs x0 .. x0+PX of row y, channels at x, n of them if less than a vector.
static inline void depthwise_block(const int K, const float *x, const float *wt, vf bias, long h, long w, long c, long y,
                                   long x0, long n, float *out) {
    vf acc[PX];
    UNROLL for (int p = 0; p < PX; p++) acc[p] = bias;
    for (int ky = 0; ky < K; ky++) {
        long iy = y + ky - K / 2;
        if (iy < 0 || iy >= h) continue;
        vf k[K];
        UNROLL for (int i = 0; i < K; i++) k[i] = load_part(wt + (ky * K + i) * c, n);
        const float *row = x + iy * w * c;
        UNROLL for (int q = 0; q < PX + K - 1; q++) {
            long ix = x0 + q - K / 2;
            vf v = {};
            if (ix >= 0 && ix < w) v = load_part(row + ix * c, n);
            UNROLL for (int i = 0; i < K; i++) {
                int p = q - i;
                if (p >= 0 && p < PX) acc[p] += v * k[i];
            }
        }
    }
    UNROLL for (int p = 0; p < PX; p++) {
        if (x0 + p >= w) break;
        float *o = out + (y * w + x0 + p) * c;
        if (n >= VL)
            vstore(o, acc[p]);
        else
            vstore_n(o, acc[p], n);
    }
}

// Any kernel: one output at a time, in the same order.
static inline void depthwise_pixel(int kernel, const float *x, const float *wt, vf bias, long h, long w, long c, long y,
                                   long x0, long n, float *out) {
    vf acc = bias;
    for (int ky = 0; ky < kernel; ky++)
        for (int kx = 0; kx < kernel; kx++) {
            long iy = y + ky - kernel / 2, ix = x0 + kx - kernel / 2;
            if (iy >= 0 && iy < h && ix >= 0 && ix < w)
                acc += load_part(x + (iy * w + ix) * c, n) * load_part(wt + (ky * kernel + kx) * c, n);
        }
    if (n >= VL)
        vstore(out + (y * w + x0) * c, acc);
    else
        vstore_n(out + (y * w + x0) * c, acc, n);
}

// depthwise does rows y0..y1 of one picture x [h, w, c] with weights [kernel, kernel, c].
static void depthwise(const float *x, const float *wt, const float *bias, int kernel, long h, long w, long c, long y0,
                      long y1, float *out) {
    for (long y = y0; y < y1; y++)
        for (long j = 0; j < c; j += VL) {
            long n = c - j;
            vf b = load_part(bias + j, n);
            if (kernel == 7 && n >= VL)
                for (long px = 0; px < w; px += PX)
                    depthwise_block(7, x + j, wt + j, b, h, w, c, y, px, VL, out + j);
            else
                for (long px = 0; px < w; px++) depthwise_pixel(kernel, x + j, wt + j, b, h, w, c, y, px, n, out + j);
        }
}

// The stretch of an RGB picture in fixed point, two passes with 8-bit rounding after each, and the normalisation by
// a table of all 256 values of each channel.
//
// A task makes a band of result rows: the source rows under it are first stretched along x into the worker's
// workspace. An axis whose size does not change has the single weight 1, which copies.

static inline uint8_t clamped(int32_t sum) {
    sum >>= 22;
    return sum < 0 ? 0 : sum > 255 ? 255 : sum;
}

// across makes one row of s pixels from one of w. line has room for 3w + 4 bytes: a pixel is read as 4 bytes.
static inline void across(const uint8_t *x, long w, long s, fixed f, uint8_t *line, uint8_t *y) {
    typedef int32_t i4 __attribute__((vector_size(16)));
    typedef uint8_t u4 __attribute__((vector_size(4)));
    memcpy(line, x, 3 * w);
    for (long i = 0; i < s; i++) {
        const uint8_t *p = line + 3 * f.first[i];
        const int32_t *k = f.weight + i * f.taps;
        i4 sum = {1 << 21, 1 << 21, 1 << 21};
        for (long j = 0; j < f.count[i]; j++, p += 3) {
            u4 px;
            memcpy(&px, p, 4);
            sum += k[j] * __builtin_convertvector(px, i4);
        }
        for (int c = 0; c < 3; c++) y[3 * i + c] = clamped(sum[c]);
    }
}

// preprocess makes rows o0..o1 of y [s, s, 3] from x [., w, 3]. table is [256][3]. work has room for the source
// rows under the band, 3 s bytes each, and 3 w + 4 bytes more.
static void preprocess(const uint8_t *x, long w, long s, fixed fx, fixed fy, const float *table, long o0, long o1,
                       float *y, uint8_t *work) {
    enum { BLOCK = 64 };
    long lo = fy.first[o0], hi = lo;
    for (long o = o0; o < o1; o++) {
        if (fy.first[o] < lo) lo = fy.first[o];
        if (fy.first[o] + fy.count[o] > hi) hi = fy.first[o] + fy.count[o];
    }
    uint8_t *line = work + (hi - lo) * 3 * s;
    for (long r = lo; r < hi; r++) across(x + r * 3 * w, w, s, fx, line, work + (r - lo) * 3 * s);

    for (long o = o0; o < o1; o++) {
        const uint8_t *a = work + (fy.first[o] - lo) * 3 * s;
        const int32_t *k = fy.weight + o * fy.taps;
        float *out = y + o * 3 * s;
        for (long i = 0; i < 3 * s; i += BLOCK) {
            long n = 3 * s - i < BLOCK ? 3 * s - i : BLOCK;
            int32_t sum[BLOCK];
            for (long l = 0; l < BLOCK; l++) sum[l] = 1 << 21;
            for (long j = 0; j < fy.count[o]; j++) {
                const uint8_t *p = a + j * 3 * s + i;
                if (n == BLOCK)
                    for (long l = 0; l < BLOCK; l++) sum[l] += k[j] * p[l];
                else
                    for (long l = 0; l < n; l++) sum[l] += k[j] * p[l];
            }
            for (long l = 0; l < n; l++) out[i + l] = table[3 * clamped(sum[l]) + (i + l) % 3];
        }
    }
}

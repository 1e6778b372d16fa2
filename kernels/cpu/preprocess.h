// The stretch of an RGB picture in fixed point, two passes with 8-bit rounding after each, and the
// normalisation by a table of all 256 values of each channel.
//
// A task makes a band of result rows: the source rows under it are first stretched along x into the
// worker's workspace. An axis whose size does not change has the single weight 1, which copies.

typedef int32_t i4 __attribute__((vector_size(16)));

static inline int32_t clamped(int32_t sum) {
    sum >>= 22;
    return sum < 0 ? 0 : sum > 255 ? 255 : sum;
}

// across makes one row of s pixels from one of w. line has room for the row with 4 ints a pixel, so
// that a pixel is one load and its three channels are summed side by side.
static inline void across(const uint8_t *x, long w, long s, fixed f, i4 *line, uint8_t *y) {
    for (long i = 0; i < w; i++)
        line[i] = (i4){x[3 * i], x[3 * i + 1], x[3 * i + 2]}; // and 0
    for (long i = 0; i < s; i++) {
        const i4 *p = line + f.first[i];
        const int32_t *k = f.weight + i * f.taps;
        i4 even = (i4){} + (1 << 21), odd = {};
        long j = 0, n = f.count[i];
        for (; j + 2 <= n; j += 2) {
            even += p[j] * k[j];
            odd += p[j + 1] * k[j + 1];
        }
        if (j < n) even += p[j] * k[j];
        even += odd;
        for (int c = 0; c < 3; c++) y[3 * i + c] = clamped(even[c]);
    }
}

// preprocess makes rows o0..o1 of y [s, s, 3] from x [., w, 3]. table is [256][3]. work has room
// for the source rows under the band, 3 s bytes each, and before them w pixels of 16 bytes.
static void preprocess(const uint8_t *x, long w, long s, fixed fx, fixed fy, const float *table, long o0, long o1,
                       float *y, uint8_t *work) {
    enum { BLOCK = 96 }; // whole pixels and whole vectors
    long lo = fy.first[o0], hi = lo;
    for (long o = o0; o < o1; o++) {
        if (fy.first[o] < lo) lo = fy.first[o];
        if (fy.first[o] + fy.count[o] > hi) hi = fy.first[o] + fy.count[o];
    }
    i4 *line = (i4 *)work;
    work += 16 * w;
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
            for (long l = 0; l < BLOCK; l++) sum[l] = clamped(sum[l]);
            for (long l = 0; l < n; l += 3)
                for (int c = 0; c < 3; c++) out[i + l + c] = table[3 * sum[l + c] + c];
        }
    }
}

// Interpolation of planes.
//
// Bilinear interpolation goes along x first: a source row is stretched once and serves all result
// rows between it and the next, then two stretched rows are blended along y. Coordinates and
// weights come from Go, in tables.

// stretched returns row r of the plane at the result's width; the last even and the last odd row
// are kept.
static inline const float *stretched(bilinear *s, long r) {
    float *row = s->work + (r & 1) * s->ow;
    if (s->have[r & 1] != r) {
        const float *x = s->x + r * s->w;
        for (long i = 0; i < s->ow; i++) row[i] = (1 - s->tx[i]) * x[s->x0[i]] + s->tx[i] * x[s->x1[i]];
        s->have[r & 1] = r;
    }
    return row;
}

// blended makes row oy of the result.
static inline void blended(bilinear *s, long oy, float *y) {
    const float *a = stretched(s, s->y0[oy]), *b = stretched(s, s->y1[oy]);
    float t = s->ty[oy];
    long i = 0;
    for (; i + VL <= s->ow; i += VL) vstore(y + i, (1 - t) * vload(a + i) + t * vload(b + i));
    long n = s->ow - i;
    if (n) vstore_n(y + i, (1 - t) * vload_n(a + i, n) + t * vload_n(b + i, n), n);
}

// resize makes rows o0..o1 of a plane.
static void resize(bilinear s, long o0, long o1, float *y) {
    for (long o = o0; o < o1; o++) blended(&s, o, y + o * s.ow);
}

// tapsacross filters rows x [rows, w] to y [rows, ow]; output i has count[i] weights from first[i]
// on.
static void tapsacross(const float *x, long rows, long w, filter f, long ow, float *y) {
    for (long r = 0; r < rows; r++, x += w, y += ow)
        for (long i = 0; i < ow; i++) {
            float s = 0;
            for (long j = 0; j < f.count[i]; j++) s += f.weight[i * f.taps + j] * x[f.first[i] + j];
            y[i] = s;
        }
}

// tapsdown makes rows o0..o1 of one plane of width n from x [., n].
static void tapsdown(const float *x, filter f, long o0, long o1, long n, float *y) {
    for (long o = o0; o < o1; o++) {
        const float *a = x + f.first[o] * n, *k = f.weight + o * f.taps;
        long i = 0;
        for (; i + VL <= n; i += VL) {
            vf s = {};
            for (long j = 0; j < f.count[o]; j++) s += k[j] * vload(a + j * n + i);
            vstore(y + o * n + i, s);
        }
        if (i < n) {
            vf s = {};
            for (long j = 0; j < f.count[o]; j++) s += k[j] * vload_n(a + j * n + i, n - i);
            vstore_n(y + o * n + i, s, n - i);
        }
    }
}

// The attention of a Hiera block inside one window of a map, for one head.
//
// A window's keys and values are gathered into contiguous rows first, pad tokens included; queries are read in place, or max-pooled 2 x 2 into
// rows, pad tokens left out. The whole map as one window is not gathered.

static long windowwork(window w) { // floats
    long n = w.wh * w.ww, queries = w.pool ? QUERIES * w.d : 0;
    long whole = w.wh == w.h && w.ww == w.w;
    return attendwork(w.d, w.d) + queries + (whole ? 0 : 2 * n * w.d);
}

static void attendwindow(window w, long q0, long q1, float scale, float *work) {
    float *pooled = work + attendwork(w.d, w.d), *kv = pooled + (w.pool ? QUERIES * w.d : 0);
    long ld = 3 * w.c, n = w.wh * w.ww;
    attention a = {.k = w.qkv + w.c, .v = w.qkv + 2 * w.c, .ldk = ld, .ldv = ld, .nk = n, .d = w.d, .dv = w.d, .scale = scale};
    if (w.wh != w.h || w.ww != w.w) {
        for (long i = 0; i < n; i++) {
            long y = w.y0 + i / w.ww, x = w.x0 + i % w.ww;
            const float *from = y < w.h && x < w.w ? w.qkv + (y * w.w + x) * ld : w.pad;
            memcpy(kv + i * w.d, from + w.c, 4 * w.d);
            memcpy(kv + (n + i) * w.d, from + 2 * w.c, 4 * w.d);
        }
        a.k = kv, a.v = kv + n * w.d, a.ldk = a.ldv = w.d;
    }
    // The window's queries that are inside the map, row by row.
    long f = w.pool ? 2 : 1;
    long qw = ((w.x0 + w.ww < w.w ? w.ww : w.w - w.x0)) / f;
    const float *from[QUERIES];
    float *to[QUERIES];
    a.q = from, a.y = to;
    for (long i = q0; i < q1; i += a.nq) {
        for (a.nq = 0; a.nq < QUERIES && i + a.nq < q1; a.nq++) {
            long y = w.y0 / f + (i + a.nq) / qw, x = w.x0 / f + (i + a.nq) % qw;
            to[a.nq] = w.y + (y * (w.w / f) + x) * w.c;
            const float *q = w.qkv + (y * f * w.w + x * f) * ld;
            from[a.nq] = q;
            if (w.pool) {
                float *m = pooled + a.nq * w.d;
                const float *below = q + w.w * ld;
                for (long c = 0; c < w.d; c++) {
                    float top = q[c] > q[ld + c] ? q[c] : q[ld + c];
                    float bottom = below[c] > below[ld + c] ? below[c] : below[ld + c];
                    m[c] = top > bottom ? top : bottom;
                }
                from[a.nq] = m;
            }
        }
        attend_block(a, work);
    }
}

// A row of windows: all those with the same y0.
static void attendwindows(window w, long size, float scale, float *work) {
    long f = w.pool ? 2 : 1;
    for (w.x0 = 0; w.x0 < w.w; w.x0 += size) {
        long qh = (w.y0 + w.wh < w.h ? w.wh : w.h - w.y0) / f, qw = (w.x0 + w.ww < w.w ? w.ww : w.w - w.x0) / f;
        attendwindow(w, 0, qh * qw, scale, work);
    }
}

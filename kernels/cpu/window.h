// The attention of a Hiera block inside the windows of a map, read in place from the fused projections.
//
// A window's keys and values are gathered into contiguous rows first, pad tokens included; queries are read in place,
// or max-pooled 2 x 2 into rows, pad tokens left out. The whole map as one window is not gathered. The map is larger
// than the caches and its windows are read in short pieces, so each is fetched while the one before it is computed.

static inline long least(long a, long b) { return a < b ? a : b; }

static inline int whole(window w) { return w.wh == w.h && w.ww == w.w; }

static long windowwork(window w) { // floats
    return attendwork(w.d, w.d) + (w.pool ? QUERIES * w.d : 0) + (whole(w) ? 0 : 2 * w.wh * w.ww * w.d);
}

// attendwindow does queries q0..q1 of the window at (y0, x0), counted row by row over those inside the map.
static void attendwindow(window w, long q0, long q1, float scale, float *work, region *next) {
    float *pooled = work + attendwork(w.d, w.d), *kv = pooled + (w.pool ? QUERIES * w.d : 0);
    long ld = 3 * w.c, n = w.wh * w.ww;
    attention a = {.k = w.qkv + w.c, .v = w.qkv + 2 * w.c, .ldk = ld, .ldv = ld, .nk = n, .d = w.d, .dv = w.d,
                   .scale = scale, .next = next};
    if (!whole(w)) {
        for (long i = 0; i < n; i++) {
            long y = w.y0 + i / w.ww, x = w.x0 + i % w.ww;
            const float *from = y < w.h && x < w.w ? w.qkv + (y * w.w + x) * ld : w.pad;
            memcpy(kv + i * w.d, from + w.c, 4 * w.d);
            memcpy(kv + (n + i) * w.d, from + 2 * w.c, 4 * w.d);
        }
        a.k = kv, a.v = kv + n * w.d, a.ldk = a.ldv = w.d;
    }
    long f = w.pool ? 2 : 1, across = least(w.ww, w.w - w.x0) / f;
    const float *from[QUERIES];
    float *to[QUERIES];
    a.q = from, a.y = to;
    for (long i = q0; i < q1; i += a.nq) {
        for (a.nq = 0; a.nq < QUERIES && i + a.nq < q1; a.nq++) {
            long y = w.y0 / f + (i + a.nq) / across, x = w.x0 / f + (i + a.nq) % across;
            to[a.nq] = w.y + (y * (w.w / f) + x) * w.c;
            const float *q = w.qkv + (y * f * w.w + x * f) * ld, *below = q + w.w * ld;
            from[a.nq] = q;
            if (w.pool) {
                float *m = pooled + a.nq * w.d;
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

// attendwhole does queries q0..q1 of one head with the whole map as the window.
static void attendwhole(window w, long head, long q0, long q1, float scale, float *work) {
    w.qkv += head * w.d, w.y += head * w.d;
    attendwindow(w, q0, q1, scale, work, 0);
}

// attendwindows does all heads of the windows i0..i1, counted row by row.
static void attendwindows(window w, long i0, long i1, float scale, float *work) {
    long f = w.pool ? 2 : 1, heads = w.c / w.d, across = (w.w + w.ww - 1) / w.ww;
    for (long i = i0; i < i1; i++) {
        w.y0 = i / across * w.wh, w.x0 = i % across * w.ww;
        long queries = least(w.wh, w.h - w.y0) / f * (least(w.ww, w.w - w.x0) / f);

        long y = (i + 1) / across * w.wh, x = (i + 1) % across * w.ww;
        region next = {.p = w.qkv + (y * w.w + x) * 3 * w.c, .pitch = w.w * 3 * w.c};
        if (i + 1 < i1) next.rows = least(w.wh, w.h - y), next.cols = least(w.ww, w.w - x) * 3 * w.c;
        long tiles = heads * ((queries + NR - 1) / NR) * ((w.d + MR - 1) / MR);
        next.step = next.rows * (next.cols / 16 + 1) / tiles + 1;

        window h = w;
        for (long head = 0; head < heads; head++, h.qkv += w.d, h.pad += w.d, h.y += w.d)
            attendwindow(h, 0, queries, scale, work, &next);
    }
}

// The attention of a Hiera block inside the windows of a map, read in place from the fused
// projections.
//
// A window's keys and values are copied, pad tokens included; queries are read in place, or
// max-pooled 2 x 2 into rows, pad tokens left out. The map is larger than the caches and its
// windows are read in short pieces, so each is fetched while the one before it is computed.

// The work of a window: its queries, as many as are done at a time, a block of its keys and values,
// and its pooled queries.
typedef struct {
    attention state;
    float *copied, *pooled;
} windowstate;

static windowstate windowlayout(room *r, window w) {
    long f = w.pool ? 2 : 1, nq = least(queriesof(2, w.d, w.d), w.wh / f * (w.ww / f));
    windowstate s = {.state = state(r, 2, nq, w.d, w.d)};
    s.copied = part(r, blocksize(2, w.wh * w.ww, w.d, w.d));
    if (w.pool) s.pooled = part(r, nq * w.d);
    return s;
}

static long windowwork(window w) { // floats
    room r = {};
    windowlayout(&r, w);
    return r.used;
}

// attendwindow does queries q0..q1 of the window at (y0, x0), counted row by row over those inside
// the map.
static void attendwindow(window w, long q0, long q1, float scale, float *work, region *next) {
    long ld = 3 * w.c, keys = w.wh * w.ww, blocks = keyblocks(keys, w.d, w.d);
    room r = {work};
    windowstate s = windowlayout(&r, w);
    float *copied = s.copied;
    long f = w.pool ? 2 : 1, most = s.state.nq, across = least(w.ww, w.w - w.x0) / f;
    const float *from[QUERIES];
    float *to[QUERIES];
    for (long i = q0, nq; i < q1; i += nq) {
        for (nq = 0; nq < most && i + nq < q1; nq++) {
            long y = w.y0 / f + (i + nq) / across, x = w.x0 / f + (i + nq) % across;
            to[nq] = w.y + (y * (w.w / f) + x) * w.c;
            const float *q = w.qkv + (y * f * w.w + x * f) * ld, *below = q + w.w * ld;
            from[nq] = q;
            if (w.pool) {
                float *m = s.pooled + nq * w.d;
                for (long c = 0; c < w.d; c++) {
                    float top = q[c] > q[ld + c] ? q[c] : q[ld + c];
                    float bottom = below[c] > below[ld + c] ? below[c] : below[ld + c];
                    m[c] = top > bottom ? top : bottom;
                }
                from[nq] = m;
            }
        }
        attention a = s.state;
        a.nq = nq, a.next = next;
        begin(&a, from, scale);
        for (long b = 0; b < blocks; b++) {
            long k0 = b * keys / blocks, n = (b + 1) * keys / blocks - k0;
            for (long j = 0; j < n; j++) {
                long y = w.y0 + (k0 + j) / w.ww, x = w.x0 + (k0 + j) % w.ww;
                const float *token = y < w.h && x < w.w ? w.qkv + (y * w.w + x) * ld : w.pad;
                copykey(MR, copied, copied + n * w.d, j, n, w.d, w.d, token + w.c, token + 2 * w.c);
            }
            attendto(&a, 2, n, copied, w.d, copied + n * w.d, 0);
        }
        end(&a, to);
    }
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

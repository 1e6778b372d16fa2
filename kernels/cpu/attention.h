// Y = softmax(scale Q Kᵀ) V with a streaming softmax: the scores of a block of keys against a panel
// of queries exist at a time, and nothing more.
//
// Scores are computed transposed, a row for each key and a lane for each query. So keys and values
// are the left, broadcast operands of the two products, queries are packed once in panels of two or
// three vectors, and the softmax is vertical: for each lane, over a block of keys with scores s in
// powers of two (log2 e is folded into the scale),
//
//	m' = max(m, max s)    a = 2^(m - m')    p = 2^(s - m')    l = a l + sum p    o = a o + p V
//
// and y = o / l at the end. What a query gets does not depend on the queries beside it, and the
// keys are taken in order.
//
// Keys and values that several panels use are copied first: keys row by row, values in strips as
// wide as a tile is high, so that the tiles read nothing but what they need, one float after the
// other. Panels of three vectors take an instruction less for 12 multiply-adds; windows have few
// queries, of which panels of two leave fewer lanes empty.

// The state of a block of queries and a block of copied keys and values fill the second-level cache
// together.
#define QUERIES 512       // of a block, at most
#define STATE (128 << 10) // floats of a block's queries and results
#define KEYS 256          // of a block, at most
#define COPIED (20 << 10) // floats of a block's keys and values

// queriesof and keysof say how many a block has, at most, with panels of nv vectors, d channels of
// a key and dv of a value.
static long queriesof(int nv, long d, long dv) {
    long lanes = nv * VL;
    return most(lanes, least(QUERIES, STATE / (d + dv)) / lanes * lanes);
}
static long keysof(long d, long dv) { return least(KEYS, most(80, COPIED / (d + dv))); }

// The queries of one head on their way through the keys.
typedef struct {
    int nv;               // vectors of a panel, and its queries
    long lanes;
    long nq, d, dv;       // at most queriesof; channels of a query and of a value
    float *q, *o, *m, *l; // panels of [d][lanes] and of [dv][lanes], and of lanes
    float *s;             // scores of a block of keys
    region *next;         // or null; a step of fetching for each tile of values
} attention;

// A strip is n rows of as many values as a tile is high. A whole vector is stored of each, over the
// start of the next, for which there is room behind a strip.
static inline long strip(int nv, long n) { return n * HEIGHT(nv) + VL; }

// state lays out the work of nq queries, for as many panels as they fill.
static attention state(room *r, int nv, long nq, long d, long dv) {
    attention a = {.nv = nv, .lanes = nv * VL, .nq = nq, .d = d, .dv = dv};
    long all = (nq + a.lanes - 1) / a.lanes * a.lanes;
    a.q = part(r, all * d), a.o = part(r, all * dv), a.m = part(r, all), a.l = part(r, all);
    a.s = part(r, keysof(d, dv) * a.lanes);
    return a;
}

// softmax turns a block of n rows of nv vectors of scores, at most 3, into weights against the new
// maximum, and returns what old sums shrink by.
static inline __attribute__((always_inline)) void softmax(vf *s, const int nv, long n, vf *m, vf *l, vf *shrink) {
    vf top[3], sum[3] = {}; // in registers
    for (int v = 0; v < nv; v++) top[v] = m[v];
    for (long i = 0; i < n; i++)
        for (int v = 0; v < nv; v++) top[v] = vmax(top[v], s[i * nv + v]);
    for (long i = 0; i < n; i++)
        for (int v = 0; v < nv; v++) {
            vf p = vexp2(s[i * nv + v] - top[v]);
            s[i * nv + v] = p;
            sum[v] += p;
        }
    for (int v = 0; v < nv; v++) {
        shrink[v] = vexp2(m[v] - top[v]);
        m[v] = top[v];
        l[v] = l[v] * shrink[v] + sum[v];
    }
}

// weigh turns the scores s of n keys into weights, and adds their values, so weighed, to o [dv][nv
// * VL]. Values are rows ldv apart or, where ldv is 0, strips of the given pitch.
static inline __attribute__((always_inline)) void weigh(const int nv, long n, const float *v, long ldv, long pitch, long dv, float *s,
                                                        float *m, float *l, float *o, region *next) {
    vf shrink[3];
    softmax((vf *)s, nv, n, (vf *)m, (vf *)l, shrink);
    for (long c = 0, h; c < dv; c += HEIGHT(nv)) {
        h = least(HEIGHT(nv), dv - c);
        vf out[MR * NV], *to = (vf *)o + c * nv;
        fetch(next);
        if (ldv)
            tiles[COLUMNS][h](n, v + c, ldv, s, out);
        else
            tile(nv, STRIP, h)(n, v + c / HEIGHT(nv) * pitch, 0, s, out);
        for (long i = 0; i < h; i++) UNROLL for (int j = 0; j < nv; j++) to[i * nv + j] = to[i * nv + j] * shrink[j] + out[i * nv + j];
    }
}

// begin packs queries.
static void begin(attention *a, const float *const *q, float scale) {
    for (long i = 0; i < a->nq; i += a->lanes) {
        transposed(a->q + i * a->d, a->lanes, q + i, a->nq - i, a->d, scale * 1.44269504f);
        for (long j = i; j < i + a->lanes; j++) a->m[j] = -INFINITY, a->l[j] = 0;
        memset(a->o + i * a->dv, 0, 4 * a->lanes * a->dv);
    }
}

// copykey puts row i of n beside the others: a key, to rows of k, and its value, to strips of v, w
// floats wide.
static inline __attribute__((always_inline)) void copykey(const int w, float *k, float *v, long i, long n, long d, long dv,
                                                          const float *key, const float *value) {
    float *to = k + i * d;
    long c = 0, pitch = n * w + VL;
    for (; c + VL <= d; c += VL) vstore(to + c, vload(key + c));
    if (c < d) vstore_n(to + c, vload_n(key + c, d - c), d - c);
    to = v + i * w;
    for (c = 0; c + w + VL <= dv; c += w, to += pitch)
        for (int j = 0; j < w; j += VL) vstore(to + j, vload(value + c + j));
    for (; c < dv; c += w, to += pitch)
        for (long j = 0, left = dv - c; j < w && j < left; j += VL)
            vstore(to + j, left - j >= VL ? vload(value + c + j) : vload_n(value + c + j, left - j));
}

// keyblocks says how many blocks nk keys are, of nearly the same size, and blocksize the floats
// that each has room for once it is copied.
static long keyblocks(long nk, long d, long dv) { return (nk + keysof(d, dv) - 1) / keysof(d, dv); }
static long blocksize(int nv, long nk, long d, long dv) {
    long blocks = most(1, keyblocks(nk, d, dv)), n = (nk + blocks - 1) / blocks;
    return n * d + (dv + HEIGHT(nv) - 1) / HEIGHT(nv) * strip(nv, n);
}

// copykeys copies blocks b0..b1 for panels of three vectors.
static void copykeys(const float *k, long ldk, const float *v, long ldv, long nk, long d, long dv, long b0, long b1, float *to) {
    for (long b = b0; b < b1; b++) {
        float *at = to + b * blocksize(3, nk, d, dv);
        long blocks = keyblocks(nk, d, dv), k0 = b * nk / blocks, n = (b + 1) * nk / blocks - k0;
        for (long i = 0; i < n; i++)
            copykey(TALL, at, at + n * d, i, n, d, dv, k + (k0 + i) * ldk, v + (k0 + i) * ldv);
    }
}

// attendto adds n keys, rows of k, and their values, rows of v or, where ldv is 0, the strips of
// copykey.
static inline __attribute__((always_inline)) void attendto(attention *a, const int nv, long n, const float *k, long ldk,
                                                           const float *v, long ldv) {
    for (long i = 0; i < a->nq; i += a->lanes) {
        product(nv, n, a->d, k, ldk, a->q + i * a->d, a->s); // [n keys][lanes]
        weigh(nv, n, v, ldv, strip(nv, n), a->dv, a->s, a->m + i, a->l + i, a->o + i * a->dv, a->next);
    }
}

// end writes the results.
static void end(attention *a, float *const *y) {
    for (long i = 0; i < a->nq; i += a->lanes) {
        for (long j = i; j < i + a->lanes; j += VL) vstore(a->l + j, 1.0f / vload(a->l + j));
        transposed_back(y + i, a->o + i * a->dv, a->lanes, least(a->nq - i, a->lanes), a->dv, a->l + i);
    }
}

// The keys of a head are copied, for panels of three vectors, if its nq queries are more than one
// panel of two.
static int copies(long nq) { return nq > NR; }

// What a caller of attend needs to know of a head with nq queries: how many a call does, at most,
// and the floats of its work, and those of the head's copied keys, 0 if they are not copied.
static long attendqueries(long nq, long d, long dv) { return copies(nq) ? least(nq, queriesof(3, d, dv)) : nq; }
static long attendwork(long nq, long d, long dv) {
    room r = {};
    state(&r, copies(nq) ? 3 : 2, attendqueries(nq, d, dv), d, dv);
    return r.used;
}
static long attendonce(long nq, long nk, long d, long dv) { return copies(nq) ? keyblocks(nk, d, dv) * blocksize(3, nk, d, dv) : 0; }

// attend does queries q0..q1, at most attendqueries, of one head. copied has all blocks of its
// keys, or is null where it copies none.
static void attend(const float *q, long ldq, const float *k, long ldk, const float *v, long ldv, const float *copied, float *y,
                   long ldy, long q0, long q1, long nk, long d, long dv, float scale, float *work) {
    const float *from[QUERIES];
    float *to[QUERIES];
    for (long i = q0; i < q1; i++) from[i - q0] = q + i * ldq, to[i - q0] = y + i * ldy;
    room r = {work};
    attention a = state(&r, copied ? 3 : 2, q1 - q0, d, dv);
    begin(&a, from, scale);
    long blocks = keyblocks(nk, d, dv);
    for (long b = 0; b < blocks; b++) {
        long k0 = b * nk / blocks, n = (b + 1) * nk / blocks - k0;
        if (copied) {
            attendto(&a, 3, n, copied, d, copied + n * d, 0);
            copied += blocksize(3, nk, d, dv);
        } else {
            attendto(&a, 2, n, k + k0 * ldk, ldk, v + k0 * ldv, ldv);
        }
    }
    end(&a, to);
}

// Y = softmax(scale Q Kᵀ) V with a streaming softmax: the scores of a block of keys against a panel of NR queries exist
// at a time, and nothing more.
//
// Scores are computed transposed, a row for each key and a lane for each query. So keys and values are the left, broadcast
// operands of the two products and are read where they lie, queries are packed once, and the softmax is
// vertical: for each lane, over a block of keys with scores s in powers of two (log2 e is folded into the scale),
//
//	m' = max(m, max s)    a = 2^(m - m')    p = 2^(s - m')    l = a l + sum p    o = a o + p V
//
// and y = o / l at the end. What a query gets does not depend on the queries beside it, and the keys are taken in order.

#define QUERIES 128 // of a block: how often a key is used while it is in the second-level cache
#define KEYS 128    // of a block, at most

// A rectangle of memory that is wanted next, fetched into the second-level cache step lines at a time.
typedef struct {
    const float *p;
    long rows, cols, pitch; // in floats
    long row, col, step;
} region;

static inline void fetch(region *r) {
    for (long i = 0; r && i < r->step && r->row < r->rows; i++) {
        __builtin_prefetch(r->p + r->row * r->pitch + r->col, 0, 2);
        if ((r->col += 16) >= r->cols) r->col = 0, r->row++;
    }
}

typedef struct {
    const float *const *q; // rows of d floats
    float *const *y;       // rows of dv floats
    long nq;               // at most QUERIES
    const float *k, *v;    // rows of d and of dv floats
    long ldk, ldv, nk;
    long d, dv;
    float scale;
    region *next; // or null; a step for each tile of values
} attention;

static long attendwork(long d, long dv) { return QUERIES * (d + dv + 2) + KEYS * NR; } // floats

// softmax turns a block of n rows of nv vectors of scores into weights against the new maximum, and returns what old sums
// shrink by.
static inline __attribute__((always_inline)) void softmax(vf *s, int nv, long n, vf *m, vf *l, vf *shrink) {
    for (int v = 0; v < nv; v++) {
        vf top = m[v];
        for (long i = 0; i < n; i++) top = vmax(top, s[i * nv + v]);
        shrink[v] = vexp2(m[v] - top);
        m[v] = top;
    }
    vf sum[nv];
    for (int v = 0; v < nv; v++) sum[v] = (vf){};
    for (long i = 0; i < n; i++)
        for (int v = 0; v < nv; v++) {
            vf p = vexp2(s[i * nv + v] - m[v]);
            s[i * nv + v] = p;
            sum[v] += p;
        }
    for (int v = 0; v < nv; v++) l[v] = l[v] * shrink[v] + sum[v];
}

static void attend_block(attention a, float *work) {
    long panels = (a.nq + NR - 1) / NR, blocks = (a.nk + KEYS - 1) / KEYS;
    float *q = work, *o = q + QUERIES * a.d, *m = o + QUERIES * a.dv, *l = m + QUERIES, *s = l + QUERIES;
    for (long p = 0; p < panels; p++) columns(q + p * a.d * NR, NR, a.q + p * NR, a.nq - p * NR, a.d, a.scale * 1.44269504f);
    for (long i = 0; i < panels * NR; i++) m[i] = -INFINITY, l[i] = 0;

    for (long b = 0; b < blocks; b++) {
        long k0 = b * a.nk / blocks, n = (b + 1) * a.nk / blocks - k0;
        for (long p = 0; p < panels; p++) {
            product(n, a.d, a.k + k0 * a.ldk, a.ldk, 1, q + p * a.d * NR, s); // [n keys][NR queries]
            vf shrink[NV];
            softmax((vf *)s, NV, n, (vf *)(m + p * NR), (vf *)(l + p * NR), shrink);
            vf *op = (vf *)(o + p * a.dv * NR); // [dv][NR queries]
            long steps = (a.dv + MR - 1) / MR;
            for (long t = 0; t < steps; t++) {
                long c0 = t * a.dv / steps, c1 = (t + 1) * a.dv / steps;
                vf out[MR * NV];
                fetch(a.next);
                tiles[c1 - c0](n, a.v + k0 * a.ldv + c0, 1, a.ldv, s, NR, out);
                for (long c = c0; c < c1; c++)
                    for (int v = 0; v < NV; v++) {
                        vf *to = op + c * NV + v, sum = out[(c - c0) * NV + v];
                        *to = b ? *to * shrink[v] + sum : sum;
                    }
            }
        }
    }
    for (long i = 0; i < panels * NR; i += VL) vstore(l + i, 1.0f / vload(l + i));
    for (long p = 0; p < panels; p++) rows(a.y + p * NR, o + p * a.dv * NR, NR, a.nq - p * NR < NR ? a.nq - p * NR : NR, a.dv, l + p * NR);
}

// attend does queries q0..q1, at most QUERIES, of one head.
static void attend(const float *q, long ldq, const float *k, long ldk, const float *v, long ldv, float *y, long ldy,
                   long q0, long q1, long nk, long d, long dv, float scale, float *work) {
    const float *from[QUERIES];
    float *to[QUERIES];
    for (long i = q0; i < q1; i++) from[i - q0] = q + i * ldq, to[i - q0] = y + i * ldy;
    attend_block((attention){from, to, q1 - q0, k, v, ldk, ldv, nk, d, dv, scale, 0}, work);
}

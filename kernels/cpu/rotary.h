// The attention of queries to maps whose keys turn with their place (RoPE on two axes), without making a key.
//
// The key of a row m at column x and row y is k = R (W m + b), its first half of channels turned by x, its second by y. Both
// the turn and the projection can be moved to the query:
//
//	q . k = (U(x) + V(y)) . m + c(x) + d(y)        U(x) = W1 transposed, times q1 turned back by x; c(x) = b1 . q1 turned back
//
// and V(y), d(y) likewise of the second half. For a block of queries U is made for every column and V for every row; then
// one sum U(x) + V(y) scores the rows of all maps at that place. A row m is much narrower than a key.
//
// As in attention.h a lane is a query. A block has groups of three vectors, as many as a tile of the sum has registers for.
// The maps are read a piece at a time, some columns of one row of all maps: down the maps, so that the U of the columns stay in
// the second-level cache. A piece is copied, for the rows of different maps compete for one set of every cache.

#define GROUP (3 * VL)
#define GROUPS 4                // of a block, at most; an even number
#define TALL (MR == 12 ? 8 : 4) // rows of a tile of a group
#define PIECE 112               // rows of a piece, at most, if one column of all maps is not more
#define COLUMNS 16              // of a piece, at most

// SCORES(M) is s = x (u + v) for M rows of m floats, row m of u and v being added. SPREAD(M) is o = o shrink + x s for n rows
// of M values. Rows of s, u, v and o are those of a group.
typedef void scorefn(long m, const float *x, const float *u, const float *v, float *s);
typedef void spreadfn(long n, const float *x, const float *s, const float *shrink, float *o);

#define UNROLL _Pragma("GCC unroll 8")

#define SCORES(M)                                                                                   \
    static void scores_##M(long m, const float *x, const float *u, const float *v, float *s) {      \
        vf acc[M][3];                                                                               \
        UNROLL for (int j = 0; j < 3; j++) {                                                        \
            vf c = vload(u + m * GROUP + j * VL) + vload(v + m * GROUP + j * VL);                   \
            UNROLL for (int i = 0; i < M; i++) acc[i][j] = c;                                       \
        }                                                                                           \
        for (long k = 0; k < m; k++, x++, u += GROUP, v += GROUP) {                                 \
            vf b[3];                                                                                \
            UNROLL for (int j = 0; j < 3; j++) b[j] = vload(u + j * VL) + vload(v + j * VL);        \
            UNROLL for (int i = 0; i < M; i++) {                                                    \
                vf a = vset(x[i * m]);                                                              \
                UNROLL for (int j = 0; j < 3; j++) acc[i][j] += a * b[j];                           \
            }                                                                                       \
        }                                                                                           \
        UNROLL for (int i = 0; i < M; i++) UNROLL for (int j = 0; j < 3; j++) vstore(s + i * GROUP + j * VL, acc[i][j]); \
    }

#define SPREAD(M)                                                                                   \
    static void spread_##M(long n, const float *x, const float *s, const float *shrink, float *o) { \
        vf acc[M][3] = {};                                                                          \
        for (long k = 0; k < n; k++, x += TALL, s += GROUP) {                                       \
            vf b[3];                                                                                \
            UNROLL for (int j = 0; j < 3; j++) b[j] = vload(s + j * VL);                            \
            UNROLL for (int i = 0; i < M; i++) {                                                    \
                vf a = vset(x[i]);                                                                  \
                UNROLL for (int j = 0; j < 3; j++) acc[i][j] += a * b[j];                           \
            }                                                                                       \
        }                                                                                           \
        UNROLL for (int i = 0; i < M; i++) UNROLL for (int j = 0; j < 3; j++) {                     \
            float *to = o + i * GROUP + j * VL;                                                     \
            vstore(to, vload(to) * vload(shrink + j * VL) + acc[i][j]);                             \
        }                                                                                           \
    }

#define WIDE(M) SCORES(M) SPREAD(M)
WIDE(1) WIDE(2) WIDE(3) WIDE(4)
#if MR == 12
WIDE(5) WIDE(6) WIDE(7) WIDE(8)
#endif

static const struct {
    scorefn *score;
    spreadfn *spread;
} wide[TALL + 1] = {{0}, {scores_1, spread_1}, {scores_2, spread_2}, {scores_3, spread_3}, {scores_4, spread_4},
#if MR == 12
                    {scores_5, spread_5}, {scores_6, spread_6}, {scores_7, spread_7}, {scores_8, spread_8},
#endif
};

// A piece of the maps, or of the other rows, on its way through the groups.
typedef struct {
    long n, m, dv; // rows; floats of a row, and of its values
    float *x, *v;  // [n, m], and values in strips [dv / TALL][n, TALL]
    float *s;      // scores of a group [n][GROUP]
} piece;

// columnsof says how many a piece has at most, and room how many rows there must be room for.
static long columnsof(rotary a) { return most(1, least(COLUMNS, PIECE / most(1, a.maps))); }
static long room(rotary a) { return most(PIECE, a.maps * columnsof(a)); }

static long rotarywork(rotary a) { // floats
    long strips = (a.dv + TALL - 1) / TALL * TALL;
    return (a.d + a.d / 2 + a.dv + 2 + 2 * (a.side + 1) * (a.m + 1)) * a.groups * GROUP + a.d * (a.m + 1) +
           room(a) * (GROUP + a.m + strips);
}

// take copies row i of a piece.
static void take(piece p, long i, const float *x, const float *v) {
    float *to = p.x + i * p.m;
    long c = 0;
    for (; c + VL <= p.m; c += VL) vstore(to + c, vload(x + c));
    for (; c < p.m; c++) to[c] = x[c];
    to = p.v + i * TALL;
    for (c = 0; c + TALL <= p.dv; c += TALL, to += p.n * TALL) memcpy(to, v + c, 4 * TALL);
    for (; c < p.dv; c++) *to++ = v[c];
}

// turnback turns half of the queries, [d/2][lanes], back by the angles of one place.
static void turnback(const float *q, long lanes, const float *cos, const float *sin, long pairs, float *out) {
    for (long j = 0; j < pairs; j++, q += 2 * lanes, out += 2 * lanes) {
        vf c = vset(cos[j]), s = vset(sin[j]);
        for (long i = 0; i < lanes; i += VL) {
            vf a = vload(q + i), b = vload(q + lanes + i);
            vstore(out + i, a * c + b * s);
            vstore(out + lanes + i, b * c - a * s);
        }
    }
}

// project makes u, [m][GROUP] for each group, of d channels of the queries [d][lanes]: their products with the columns of
// w [d, m].
static void project(const float *q, long lanes, long d, const float *w, long m, float *u) {
    long steps = (m + MR - 1) / MR, low = m / steps, more = m % steps;
    for (long p = 0; p < lanes / VL; p += NV) {
        vf out[MR * NV];
        for (long t = 0, i0 = 0, n; t < steps; t++, i0 += n) {
            n = low + (t < more);
            tiles[n](d, w + i0, 1, m, q + p * VL, lanes, out);
            for (long i = 0; i < n; i++)
                for (int v = 0; v < NV; v++) vstore(u + ((p + v) / 3 * m + i0 + i) * GROUP + (p + v) % 3 * VL, out[i * NV + v]);
        }
    }
}

// score makes the scores of n rows from row i on against the sum of u and v, for one group.
static void score(piece p, long i, long n, const float *u, const float *v) {
    for (long end = i + n, h; i < end; i += h) {
        h = least(TALL, end - i);
        wide[h].score(p.m, p.x + i * p.m, u, v, p.s + i * GROUP);
    }
}

// weigh turns scores into weights and adds the values so weighed to o, for one group.
static void weigh(piece p, float *top, float *sum, float *o) {
    vf shrink[3];
    softmax((vf *)p.s, 3, p.n, (vf *)top, (vf *)sum, shrink);
    for (long c = 0; c < p.dv; c += TALL, o += TALL * GROUP, p.v += p.n * TALL)
        wide[least(TALL, p.dv - c)].spread(p.n, p.v, p.s, (float *)shrink, o);
}

// attendrotary does queries q0..q1, at most as many as the groups have lanes.
static void attendrotary(rotary a, long q0, long q1, float *work) {
    long lanes = a.groups * GROUP, half = a.d / 2, hw = a.side * a.side;
    long ug = (a.m + 1) * GROUP, u = a.groups * ug; // U of one place, for a group and for all
    float *q = work, *turned = q + a.d * lanes, *o = turned + half * lanes, *top = o + a.dv * lanes, *sum = top + lanes,
          *ux = sum + lanes, *uy = ux + a.side * u, *uo = uy + a.side * u, *zero = uo + u, *s = zero + u, *w = s + room(a) * GROUP;
    piece p = {.m = a.m, .dv = a.dv, .s = s, .x = w + a.d * (a.m + 1)};
    p.v = p.x + room(a) * a.m;
    const float *from[GROUPS * GROUP];
    float *to[GROUPS * GROUP];
    for (long i = 0; i < q1 - q0; i++) from[i] = a.q + (q0 + i) * a.d, to[i] = a.y + (q0 + i) * a.dv;
    columns(q, lanes, from, q1 - q0, a.d, a.scale * 1.44269504f);
    for (long i = 0; i < lanes; i++) top[i] = -INFINITY, sum[i] = 0;
    memset(o, 0, 4 * a.dv * lanes);
    for (long i = 0; i < a.d; i++) { // the bias is a column of its own
        memcpy(w + i * (a.m + 1), a.w + i * a.m, 4 * a.m);
        w[i * (a.m + 1) + a.m] = a.bias[i];
    }

    for (long i = 0; i < a.side && a.maps; i++) {
        const float *cos = a.cos + i * (a.d / 4), *sin = a.sin + i * (a.d / 4);
        turnback(q, lanes, cos, sin, a.d / 4, turned);
        project(turned, lanes, half, w, a.m + 1, ux + i * u);
        turnback(q + half * lanes, lanes, cos, sin, a.d / 4, turned);
        project(turned, lanes, half, w + half * (a.m + 1), a.m + 1, uy + i * u);
    }
    for (long x0 = 0, n; x0 < a.side && a.maps; x0 += n) {
        n = least(a.side - x0, columnsof(a));
        p.n = n * a.maps;
        for (long y = 0; y < a.side; y++) {
            for (long f = 0; f < a.maps; f++)
                for (long x = 0; x < n; x++) {
                    long at = f * hw + y * a.side + x0 + x;
                    take(p, x * a.maps + f, a.x + at * a.m, a.v + at * a.dv);
                }
            for (long g = 0; g < a.groups; g++) {
                for (long x = 0; x < n; x++) score(p, x * a.maps, a.maps, ux + (x0 + x) * u + g * ug, uy + y * u + g * ug);
                weigh(p, top + g * GROUP, sum + g * GROUP, o + g * a.dv * GROUP);
            }
        }
    }
    long done = a.maps * hw;
    if (done < a.n) {
        project(q, lanes, a.d, w, a.m + 1, uo);
        memset(zero, 0, 4 * u);
    }
    for (; done < a.n; done += p.n) {
        p.n = least(a.n - done, PIECE);
        for (long i = 0; i < p.n; i++) take(p, i, a.x + (done + i) * a.m, a.v + (done + i) * a.dv);
        for (long g = 0; g < a.groups; g++) {
            score(p, 0, p.n, uo + g * ug, zero + g * ug);
            weigh(p, top + g * GROUP, sum + g * GROUP, o + g * a.dv * GROUP);
        }
    }
    for (long g = 0; g < a.groups; g++) {
        for (long i = g * GROUP; i < (g + 1) * GROUP; i += VL) vstore(sum + i, 1.0f / vload(sum + i));
        rows(to + g * GROUP, o + g * a.dv * GROUP, GROUP, least(q1 - q0 - g * GROUP, GROUP), a.dv, sum + g * GROUP);
    }
}

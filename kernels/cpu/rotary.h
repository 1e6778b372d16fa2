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
// As in attention.h a lane is a query. A block has two groups of three vectors: so a tile of scores has the registers that a
// tile of the sum needs. The maps are read a few columns at a time, whose U stay in the second-level cache while y runs;
// the scores of such a piece are ordered by map, then column, as the values lie.

#define GROUP (3 * VL)
#define LANES (2 * GROUP)
#define TALL (MR == 12 ? 8 : 4) // rows of a tile of a group
#define PIECE 112               // rows of a piece, at most, if one column of all maps is not more
#define AT_ONCE 16              // columns of a piece, at most

// SCORES(M) is s = x (u + v) for M rows of m floats, ldx apart, row m of u and v being added. SPREAD(M) is o = o shrink + x s
// for M columns of n rows of each of some maps. Rows of s, u, v and o are those of a group, rows of s lds apart.
typedef void scorefn(long m, const float *x, long ldx, const float *u, const float *v, float *s, long lds);
typedef void spreadfn(long maps, long map, long n, const float *x, long ldx, const float *s, const float *shrink, float *o);

#define UNROLL _Pragma("GCC unroll 8")

#define SCORES(M)                                                                                                  \
    static void scores_##M(long m, const float *x, long ldx, const float *u, const float *v, float *s, long lds) { \
        vf acc[M][3];                                                                                              \
        UNROLL for (int j = 0; j < 3; j++) {                                                                       \
            vf c = vload(u + m * GROUP + j * VL) + vload(v + m * GROUP + j * VL);                                  \
            UNROLL for (int i = 0; i < M; i++) acc[i][j] = c;                                                      \
        }                                                                                                          \
        for (long k = 0; k < m; k++, x++, u += GROUP, v += GROUP) {                                                \
            vf b[3];                                                                                               \
            UNROLL for (int j = 0; j < 3; j++) b[j] = vload(u + j * VL) + vload(v + j * VL);                       \
            UNROLL for (int i = 0; i < M; i++) {                                                                   \
                vf a = vset(x[i * ldx]);                                                                           \
                UNROLL for (int j = 0; j < 3; j++) acc[i][j] += a * b[j];                                          \
            }                                                                                                      \
        }                                                                                                          \
        UNROLL for (int i = 0; i < M; i++) UNROLL for (int j = 0; j < 3; j++) vstore(s + i * lds + j * VL, acc[i][j]); \
    }

#define SPREAD(M)                                                                                                  \
    static void spread_##M(long maps, long map, long n, const float *x, long ldx, const float *s,                  \
                           const float *shrink, float *o) {                                                        \
        vf acc[M][3] = {};                                                                                         \
        for (long f = 0; f < maps; f++, x += map) {                                                                \
            const float *row = x;                                                                                  \
            for (long k = 0; k < n; k++, row += ldx, s += GROUP) {                                                 \
                vf b[3];                                                                                           \
                UNROLL for (int j = 0; j < 3; j++) b[j] = vload(s + j * VL);                                       \
                UNROLL for (int i = 0; i < M; i++) {                                                               \
                    vf a = vset(row[i]);                                                                           \
                    UNROLL for (int j = 0; j < 3; j++) acc[i][j] += a * b[j];                                      \
                }                                                                                                  \
            }                                                                                                      \
        }                                                                                                          \
        UNROLL for (int i = 0; i < M; i++) UNROLL for (int j = 0; j < 3; j++) {                                    \
            float *to = o + i * GROUP + j * VL;                                                                    \
            vstore(to, vload(to) * vload(shrink + j * VL) + acc[i][j]);                                            \
        }                                                                                                          \
    }

#define WIDE(M) SCORES(M) SPREAD(M)
WIDE(1) WIDE(2) WIDE(3) WIDE(4)
#if MR == 12
WIDE(5) WIDE(6) WIDE(7) WIDE(8)
#endif

static const struct {
    scorefn *score;
    spreadfn *spread;
} wide[TALL + 1] = {{0, 0}, {scores_1, spread_1}, {scores_2, spread_2}, {scores_3, spread_3}, {scores_4, spread_4},
#if MR == 12
                    {scores_5, spread_5}, {scores_6, spread_6}, {scores_7, spread_7}, {scores_8, spread_8},
#endif
};

// piece is the columns of one: as many as make PIECE rows with all maps.
static long piece(rotary a) {
    long n = least(PIECE / (a.maps ? a.maps : 1), AT_ONCE);
    return n < 1 ? 1 : n;
}

static long piecerows(rotary a) {
    long n = piece(a) * a.maps;
    return n > PIECE ? n : PIECE;
}

static long rotarywork(rotary a) { // floats
    return (a.d + a.d / 2 + a.dv + 2 + 2 * (a.side + 1) * (a.m + 1)) * LANES + piecerows(a) * GROUP;
}

// turnback turns half of the queries, [d/2][LANES], back by the angles of one place.
static void turnback(const float *q, const float *cos, const float *sin, long pairs, float *out) {
    for (long j = 0; j < pairs; j++, q += 2 * LANES, out += 2 * LANES) {
        vf c = vset(cos[j]), s = vset(sin[j]);
        for (long i = 0; i < LANES; i += VL) {
            vf a = vload(q + i), b = vload(q + LANES + i);
            vstore(out + i, a * c + b * s);
            vstore(out + LANES + i, b * c - a * s);
        }
    }
}

// project makes u, [m + 1][GROUP] for each group, of d channels of the queries [d][LANES]: their products with the columns
// of w [d, m], and with bias.
static void project(const float *q, long d, const float *w, const float *bias, long m, float *u) {
    long steps = (m + MR - 1) / MR;
    for (long p = 0; p < LANES / VL; p += NV) {
        vf out[MR * NV];
        for (long t = 0; t <= steps; t++) {
            long i0 = t * m / steps, n = t < steps ? (t + 1) * m / steps - i0 : 1;
            if (t < steps)
                tiles[n](d, w + i0, 1, m, q + p * VL, LANES, out);
            else
                tiles[1](d, bias, 0, 1, q + p * VL, LANES, out);
            for (long i = 0; i < n; i++)
                for (int v = 0; v < NV; v++)
                    vstore(u + ((p + v) / 3 * (m + 1) + i0 + i) * GROUP + (p + v) % 3 * VL, out[i * NV + v]);
        }
    }
}

// score makes s of n rows of x against the sum of u and v, for one group.
static void score(const float *x, long n, long ldx, long m, const float *u, const float *v, float *s, long lds) {
    long steps = (n + TALL - 1) / TALL;
    for (long t = 0; t < steps; t++) {
        long i0 = t * n / steps, i1 = (t + 1) * n / steps;
        wide[i1 - i0].score(m, x + i0 * ldx, ldx, u, v, s + i0 * lds, lds);
    }
}

// weigh turns the scores s of n rows of each of some maps into weights and adds the rows of values so weighed to o, for one
// group.
static void weigh(float *s, long maps, long map, long n, const float *v, long dv, float *top, float *sum, float *o) {
    vf shrink[3];
    softmax((vf *)s, 3, maps * n, (vf *)top, (vf *)sum, shrink);
    long steps = (dv + TALL - 1) / TALL;
    for (long t = 0; t < steps; t++) {
        long c0 = t * dv / steps, c1 = (t + 1) * dv / steps;
        wide[c1 - c0].spread(maps, map, n, v + c0, dv, s, (float *)shrink, o + c0 * GROUP);
    }
}

// attendrotary does queries q0..q1, at most LANES.
static void attendrotary(rotary a, long q0, long q1, float *work) {
    long half = a.d / 2, ug = (a.m + 1) * GROUP, u = 2 * ug, hw = a.side * a.side; // ug: of a group
    float *q = work, *turned = q + a.d * LANES, *o = turned + half * LANES, *top = o + a.dv * LANES, *sum = top + LANES,
          *ux = sum + LANES, *uy = ux + a.side * u, *uo = uy + a.side * u, *zero = uo + u, *s = zero + u;
    const float *from[LANES];
    float *to[LANES];
    for (long i = 0; i < q1 - q0; i++) from[i] = a.q + (q0 + i) * a.d, to[i] = a.y + (q0 + i) * a.dv;
    columns(q, LANES, from, q1 - q0, a.d, a.scale * 1.44269504f);
    for (long i = 0; i < LANES; i++) top[i] = -INFINITY, sum[i] = 0;
    memset(o, 0, 4 * a.dv * LANES);

    for (long i = 0; i < a.side && a.maps; i++) {
        const float *cos = a.cos + i * (a.d / 4), *sin = a.sin + i * (a.d / 4);
        turnback(q, cos, sin, a.d / 4, turned);
        project(turned, half, a.w, a.bias, a.m, ux + i * u);
        turnback(q + half * LANES, cos, sin, a.d / 4, turned);
        project(turned, half, a.w + half * a.m, a.bias + half, a.m, uy + i * u);
    }
    for (long x0 = 0, step = piece(a); x0 < a.side && a.maps; x0 += step) {
        long n = least(a.side - x0, step);
        for (long y = 0; y < a.side; y++) {
            long at = y * a.side + x0;
            for (long g = 0; g < 2; g++) {
                for (long x = 0; x < n; x++)
                    score(a.x + (at + x) * a.m, a.maps, hw * a.m, a.m, ux + (x0 + x) * u + g * ug, uy + y * u + g * ug,
                          s + x * GROUP, n * GROUP);
                weigh(s, a.maps, hw * a.dv, n, a.v + at * a.dv, a.dv, top + g * GROUP, sum + g * GROUP, o + g * a.dv * GROUP);
            }
        }
    }
    long done = a.maps * hw;
    if (done < a.n) {
        project(q, a.d, a.w, a.bias, a.m, uo);
        memset(zero, 0, 4 * u);
    }
    for (long n; done < a.n; done += n) {
        n = least(a.n - done, PIECE);
        for (long g = 0; g < 2; g++) {
            score(a.x + done * a.m, n, a.m, a.m, uo + g * ug, zero + g * ug, s, GROUP);
            weigh(s, 1, 0, n, a.v + done * a.dv, a.dv, top + g * GROUP, sum + g * GROUP, o + g * a.dv * GROUP);
        }
    }
    for (long g = 0; g < 2; g++) {
        for (long i = g * GROUP; i < (g + 1) * GROUP; i += VL) vstore(sum + i, 1.0f / vload(sum + i));
        rows(to + g * GROUP, o + g * a.dv * GROUP, GROUP, least(q1 - q0 - g * GROUP, GROUP), a.dv, sum + g * GROUP);
    }
}

// The attention of queries to maps whose keys turn with their place (RoPE on two axes), without
// making a key.
//
// The key of a row m at column x and row y is k = R (W m + b), its first half of channels turned by
// x, its second by y. Both the turn and the projection can be moved to the query:
//
//	q . k = (U(x) + V(y)) . m + c(x) + d(y)        U(x) = W1 transposed, times q1 turned back by x; c(x) = b1 . q1 turned back
//
// and V(y), d(y) likewise of the second half. For a block of queries U is made for every column and
// V for every row; then one sum U(x) + V(y) scores the rows of all maps at that place. A row m is
// much narrower than a key.
//
// A turn by h + t is a turn by h and one by t, and a turn by h - t differs from it in the sign of
// the sines. So places are made two by two, as far to one side of the middle one as to the other,
// from two sums over the pairs j of channels:
//
//	U(h+t) = C + S    U(h-t) = C - S    C = sum of cos(t a_j) even_j    S = sum of sin(t a_j) odd_j
//
// where with q turned back by h, even_j = W_2j q_2j + W_2j+1 q_2j+1 and odd_j = W_2j q_2j+1 -
// W_2j+1 q_2j.
//
// As in attention.h a lane is a query. A block has groups of three vectors, as many as a tile of
// the sum has registers for. The maps are read a piece at a time, some columns of one row of all
// maps, down the maps; then come the other rows, in pieces too. All are arranged in this order
// first, once for all blocks, for the rows of different maps compete for one set of every cache.

#define GROUP (3 * VL)
#define GROUPS 4                // of a block, at most; an even number
#define PIECE 224               // rows of a piece, at most, if one column of all maps is not more
#define PIECE_COLUMNS 32        // of a piece, at most

// SCORES(M) is s = x (u + v) for M rows of m floats, row m of u and v being added. Rows of s, u and
// v are those of a group.
typedef void scorefn(long m, const float *x, const float *u, const float *v, vf *s);

#define SUM(V, AT) UNROLL for (int j = 0; j < 3; j++) V[j] = vload(u + (AT) * GROUP + j * VL) + vload(v + (AT) * GROUP + j * VL);

#define SCORESTEPS(M, N)                                                      \
    {                                                                         \
        UNROLL for (int k = 0; k < N; k++) {                                  \
            vf w[3];                                                          \
            SUM(w, k)                                                         \
            UNROLL for (int i = 0; i < M; i++) {                              \
                vf t = broadcast(x + i / 3 * 3 * m, m, i % 3, k);             \
                UNROLL for (int j = 0; j < 3; j++) madd(&acc[i][j], t, w[j]); \
            }                                                                 \
        }                                                                     \
        x += N, u += N * GROUP, v += N * GROUP;                               \
    }

#define SCORES(M)                                                                                              \
    static void scores_##M(long m, const float *x, const float *u, const float *v, vf *s) {                    \
        vf acc[M][3] = {}, c[3];                                                                               \
        long k = m;                                                                                            \
        for (; k >= 8; k -= 8) SCORESTEPS(M, 8)                                                                \
        for (; k > 0; k--) SCORESTEPS(M, 1)                                                                    \
        SUM(c, 0)                                                                                              \
        UNROLL for (int i = 0; i < M; i++) UNROLL for (int j = 0; j < 3; j++) s[i * 3 + j] = acc[i][j] + c[j]; \
    }

SCORES(1) SCORES(2) SCORES(3) SCORES(4)
#if MR == 12
SCORES(5) SCORES(6) SCORES(7) SCORES(8)
#endif

static scorefn *const scores[TALL + 1] = {0, scores_1, scores_2, scores_3, scores_4,
#if MR == 12
                                          scores_5, scores_6, scores_7, scores_8,
#endif
};

// A piece of the maps, or of the other rows.
typedef struct {
    long x0, y, columns; // of the maps; other rows have no columns
    long first, n;       // rows
    long m, dv;          // floats of a row, and of its values
    float *x, *v;        // [n, m], and values in strips [dv / TALL][n, TALL]
} piece;

static long columnsof(rotary a) { return most(1, least(PIECE_COLUMNS, PIECE / most(1, a.maps))); }
static long roomof(rotary a) { return most(PIECE, a.maps * columnsof(a)); } // rows of a piece, at most
static long stripsof(rotary a) { return (a.dv + TALL - 1) / TALL * TALL; }   // floats of a row of values
static long mappieces(rotary a) { return a.maps ? (a.side + columnsof(a) - 1) / columnsof(a) * a.side : 0; }

static piece pieceat(rotary a, long i) {
    piece p = {.m = a.m, .dv = a.dv};
    if (i < mappieces(a)) {
        p.x0 = i / a.side * columnsof(a), p.y = i % a.side, p.columns = least(columnsof(a), a.side - p.x0);
        p.n = p.columns * a.maps, p.first = p.x0 * a.side * a.maps + p.y * p.n;
    } else {
        p.first = a.maps * a.side * a.side + (i - mappieces(a)) * PIECE, p.n = least(PIECE, a.n - p.first);
    }
    p.x = a.once + a.d * (a.m + 1) + p.first * (a.m + stripsof(a)), p.v = p.x + p.n * a.m;
    return p;
}

static long rotaryonce(rotary a) { return a.d * (a.m + 1) + a.n * (a.m + stripsof(a)); } // floats
static long rotarypieces(rotary a) {
    return mappieces(a) + (a.n - a.maps * a.side * a.side + PIECE - 1) / PIECE;
}

// The work of a block of queries. Rows of all are those of a group.
typedef struct {
    float *q, *turned, *o, *top, *sum; // [groups][d], [d] of one group, [groups][dv], [groups], [groups]
    float *ux, *uy, *uo, *zero;        // [groups][side][m + 1] twice, [groups][m + 1], [m + 1]
    float *s;                          // scores of a piece
} rotarystate;

static rotarystate rotarylayout(room *r, rotary a) {
    long group = GROUP, u = (a.m + 1) * group;
    rotarystate s = {.q = part(r, a.groups * a.d * group), .turned = part(r, a.d * group)};
    s.o = part(r, a.groups * a.dv * group), s.top = part(r, a.groups * group), s.sum = part(r, a.groups * group);
    s.ux = part(r, a.groups * a.side * u), s.uy = part(r, a.groups * a.side * u);
    s.uo = part(r, a.groups * u), s.zero = part(r, u);
    s.s = part(r, roomof(a) * group);
    return s;
}

static long rotarywork(rotary a) { // floats
    room r = {};
    rotarylayout(&r, a);
    return r.used;
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

// arrange makes pieces i0..i1, and before the first the columns of w, [m + 1, d], the bias being
// the last.
static void arrange(rotary a, long i0, long i1) {
    for (long c = 0; c <= a.m && i0 == 0; c++)
        for (long i = 0; i < a.d; i++) a.once[c * a.d + i] = c < a.m ? a.w[i * a.m + c] : a.bias[i];
    for (long i = i0; i < i1; i++) {
        piece p = pieceat(a, i);
        for (long f = 0; f < a.maps; f++)
            for (long x = 0; x < p.columns; x++) {
                long row = (f * a.side + p.y) * a.side + p.x0 + x;
                take(p, x * a.maps + f, a.x + row * a.m, a.v + row * a.dv);
            }
        for (long j = 0; j < p.n && !p.columns; j++) take(p, j, a.x + (p.first + j) * a.m, a.v + (p.first + j) * a.dv);
    }
}

// turnback turns half of the queries of a group, [d/2][GROUP], back by the angles of one place.
static void turnback(const float *q, const float *cos, const float *sin, long pairs, float *out) {
    for (long j = 0; j < pairs; j++, q += 2 * GROUP, out += 2 * GROUP) {
        vf c = vset(cos[j]), s = vset(sin[j]);
        UNROLL for (long i = 0; i < GROUP; i += VL) {
            vf a = vload(q + i), b = vload(q + GROUP + i);
            vstore(out + i, a * c + b * s);
            vstore(out + GROUP + i, b * c - a * s);
        }
    }
}

// places makes u [side][m + 1][GROUP] of one half of the queries of a group, [d/2][GROUP], and the
// half of w [m + 1, d] that belongs to it.
static void places(rotary a, const float *q, const float *w, float *work, float *u) {
    long pairs = a.d / 4, middle = a.side / 2, pitch = (a.m + 1) * GROUP;
    float *turned = work, *even = turned + 2 * pairs * GROUP, *odd = even + pairs * GROUP;
    turnback(q, a.cos + middle * pairs, a.sin + middle * pairs, pairs, turned);
    for (long c = 0; c <= a.m; c++, w += a.d, u += GROUP) {
        vf sum[3] = {};
        for (long j = 0; j < pairs; j++) {
            vf w0 = vset(w[2 * j]), w1 = vset(w[2 * j + 1]);
            UNROLL for (int i = 0; i < 3; i++) {
                vf q0 = vload(turned + 2 * j * GROUP + i * VL), q1 = vload(turned + (2 * j + 1) * GROUP + i * VL);
                vf both = w0 * q0 + w1 * q1;
                sum[i] += both;
                vstore(even + j * GROUP + i * VL, both);
                vstore(odd + j * GROUP + i * VL, w0 * q1 - w1 * q0);
            }
        }
        UNROLL for (int i = 0; i < 3; i++) vstore(u + middle * pitch + i * VL, sum[i]);
        for (long t = 1, n; t <= middle; t += n) {
            n = least(TALL, middle + 1 - t);
            vf cs[TALL * 3], sn[TALL * 3];
            wide[ROWS][n](pairs, a.cos + t * pairs, pairs, even, cs);
            wide[ROWS][n](pairs, a.sin + t * pairs, pairs, odd, sn);
            for (long i = 0; i < n; i++)
                UNROLL for (int j = 0; j < 3; j++) {
                    vstore(u + (middle - t - i) * pitch + j * VL, cs[i * 3 + j] - sn[i * 3 + j]);
                    if (middle + t + i < a.side) vstore(u + (middle + t + i) * pitch + j * VL, cs[i * 3 + j] + sn[i * 3 + j]);
                }
        }
    }
}

// project makes u [m + 1][GROUP] of the queries of a group, [d][GROUP], for the rows that do not
// turn.
static void project(rotary a, const float *q, float *u) {
    for (long i = 0, n; i <= a.m; i += n) {
        n = least(TALL, a.m + 1 - i);
        wide[ROWS][n](a.d, a.once + i * a.d, a.d, q, (vf *)(u + i * GROUP));
    }
}

// score makes the scores of n rows x [n, m] against the sum of u and v, for one group.
static void score(long n, long m, const float *x, const float *u, const float *v, float *s) {
    for (long h; n; n -= h, x += h * m, s += h * GROUP) {
        h = least(TALL, n);
        scores[h](m, x, u, v, (vf *)s);
    }
}

// attendrotary does queries q0..q1, at most as many as the groups have lanes.
static void attendrotary(rotary a, long q0, long q1, float *work) {
    long lanes = a.groups * GROUP, half = a.d / 2;
    long qg = a.d * GROUP, u = (a.m + 1) * GROUP; // queries of a group, and its U of one place
    room r = {work};
    rotarystate w = rotarylayout(&r, a);
    float *q = w.q, *o = w.o, *top = w.top, *sum = w.sum, *ux = w.ux, *uy = w.uy, *uo = w.uo, *s = w.s;
    const float *from[GROUPS * GROUP];
    float *to[GROUPS * GROUP];
    for (long i = 0; i < q1 - q0; i++) from[i] = a.q + (q0 + i) * a.d, to[i] = a.y + (q0 + i) * a.dv;
    for (long g = 0; g < a.groups; g++) transposed(q + g * qg, GROUP, from + g * GROUP, q1 - q0 - g * GROUP, a.d, a.scale * 1.44269504f);
    for (long i = 0; i < lanes; i++) top[i] = -INFINITY, sum[i] = 0;
    memset(o, 0, 4 * a.dv * lanes);
    for (long g = 0; g < a.groups; g++) {
        if (a.maps) places(a, q + g * qg, a.once, w.turned, ux + g * a.side * u);
        if (a.maps) places(a, q + g * qg + half * GROUP, a.once + half, w.turned, uy + g * a.side * u);
        project(a, q + g * qg, uo + g * u);
    }
    for (long i = 0; i < u; i++) w.zero[i] = 0;
    for (long i = 0, n = rotarypieces(a); i < n; i++) {
        piece p = pieceat(a, i);
        for (long g = 0; g < a.groups; g++) {
            for (long x = 0; x < p.columns; x++)
                score(a.maps, a.m, p.x + x * a.maps * a.m, ux + (g * a.side + p.x0 + x) * u, uy + (g * a.side + p.y) * u,
                      s + x * a.maps * GROUP);
            if (!p.columns) score(p.n, a.m, p.x, uo + g * u, w.zero, s);
            weigh(3, p.n, p.v, 0, p.n * TALL, a.dv, s, top + g * GROUP, sum + g * GROUP, o + g * a.dv * GROUP, 0);
        }
    }
    for (long g = 0; g < a.groups; g++) {
        for (long i = g * GROUP; i < (g + 1) * GROUP; i += VL) vstore(sum + i, 1.0f / vload(sum + i));
        transposed_back(to + g * GROUP, o + g * a.dv * GROUP, GROUP, least(q1 - q0 - g * GROUP, GROUP), a.dv, sum + g * GROUP);
    }
}

// y = act(a b + bias + res) in register tiles.
//
// The right operand is packed in panels of NR columns, [k][NR], so that one step of k is one load
// of NR floats; the left one is read where it lies, one float broadcast to a vector. A tile of up
// to MR rows x NR columns is kept in registers over all of k and stored once, through the epilogue.
// A panel (k x NR) and the rows of a task stay in the second-level cache, whose latency the
// processor hides behind the MR * NV multiply-adds of each step.
//
// Each element is one chain of fused multiply-adds in the order of k from zero, whatever the tile
// it falls in; that makes results independent of the number of rows, the split into tasks and the
// vector length.

static inline long least(long a, long b) { return a < b ? a : b; }
static inline long most(long a, long b) { return a > b ? a : b; }

// A block of floats that is handed out in parts. Without memory behind it, it only counts, so that
// the function that lays out the work of a kernel measures it, too.
typedef struct {
    float *p; // or null
    long used;
} room;

static inline float *part(room *r, long floats) {
    float *p = r->p ? r->p + r->used : 0;
    r->used += floats;
    return p;
}

#define TALL (MR == 12 ? 8 : 4) // rows of the tallest tile of three vectors

// A tile function computes M rows of a b into out [M][V], V vectors to a row; M and V are
// constants, so that the sums live in registers. Row s of b is b + s * V * VL. Element (i, s) of a
// is
//
//	rows      a[i * pitch + s]
//	columns   a[i + s * pitch]
//	strip     a[i + s * W], W being the height of the tallest tile, so that the addresses of some steps differ by constants
//
// One function each, for a compiler that has one loop before it finds registers for it.
typedef void tilefn(long k, const float *a, long pitch, const float *b, vf *out);

#define STEPS(M, V, N, PLACE)                                                      \
    {                                                                              \
        UNROLL for (int s = 0; s < N; s++) {                                       \
            vf w[V];                                                               \
            UNROLL for (int j = 0; j < V; j++) w[j] = vload(b + (s * V + j) * VL); \
            UNROLL for (int i = 0; i < M; i++) {                                   \
                vf x = PLACE;                                                      \
                UNROLL for (int j = 0; j < V; j++) madd(&acc[i][j], x, w[j]);      \
            }                                                                      \
        }                                                                          \
    }

#define FUNCTION(NAME, M, V, N, STEP, PLACE)                                                              \
    static void NAME##_##M##x##V(long k, const float *a, long pitch, const float *b, vf *out) {           \
        vf acc[M][V] = {};                                                                                \
        for (const float *end = b + k / N * N * V * VL; b < end; a += N * STEP, b += N * V * VL)          \
            STEPS(M, V, N, PLACE)                                                                         \
        for (k %= N; k > 0; k--, a += STEP, b += V * VL) STEPS(M, V, 1, PLACE)                            \
        UNROLL for (int i = 0; i < M; i++) UNROLL for (int j = 0; j < V; j++) out[i * V + j] = acc[i][j]; \
    }

#define HEIGHT(V) ((V) == 2 ? MR : TALL)

#define TILE(M, V)                                                                \
    FUNCTION(rows, M, V, 8, 1, broadcast(a + i / 3 * 3 * pitch, pitch, i % 3, s)) \
    FUNCTION(strip, M, V, 8, HEIGHT(V), broadcast(a, 0, 0, s *HEIGHT(V) + i))
#define TILE2(M) TILE(M, 2) FUNCTION(columns, M, 2, 4, pitch, broadcast(a + s / 3 * 3 * pitch, pitch, s % 3, i))

// Tiles of two vectors to a row, and lower ones of three.
TILE2(1) TILE2(2) TILE2(3) TILE2(4) TILE2(5) TILE2(6)
TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3)
#if MR == 12
TILE2(7) TILE2(8) TILE2(9) TILE2(10) TILE2(11) TILE2(12)
TILE(5, 3) TILE(6, 3) TILE(7, 3) TILE(8, 3)
#define TWO(A) {0, A##_1x2, A##_2x2, A##_3x2, A##_4x2, A##_5x2, A##_6x2, A##_7x2, A##_8x2, A##_9x2, A##_10x2, A##_11x2, A##_12x2}
#define THREE(A) {0, A##_1x3, A##_2x3, A##_3x3, A##_4x3, A##_5x3, A##_6x3, A##_7x3, A##_8x3}
#else
#define TWO(A) {0, A##_1x2, A##_2x2, A##_3x2, A##_4x2, A##_5x2, A##_6x2}
#define THREE(A) {0, A##_1x3, A##_2x3, A##_3x3, A##_4x3}
#endif

enum { ROWS, STRIP, COLUMNS };
static tilefn *const tiles[3][MR + 1] = {TWO(rows), TWO(strip), TWO(columns)};
static tilefn *const wide[2][TALL + 1] = {THREE(rows), THREE(strip)};

static inline tilefn *tile(int v, int place, long m) { return v == 2 ? tiles[place][m] : wide[place][m]; }

// product is n rows of a b, stored as they are: [n][v * VL], aligned.
static inline void product(int v, long n, long k, const float *a, long lda, const float *b, float *out) {
    long steps = (n + HEIGHT(v) - 1) / HEIGHT(v); // tiles of nearly equal height: a low last tile would run at half speed
    long low = n / steps, more = n % steps;
    for (long t = 0, i0 = 0, m; t < steps; t++, i0 += m) {
        m = low + (t < more);
        tile(v, ROWS, m)(k, a + i0 * lda, lda, b, (vf *)(out + i0 * v * VL));
    }
}

// store puts one vector of a row through the epilogue. cols may be less than VL at the right edge.
static inline void store(float *y, vf x, long cols, const float *bias, const float *res, int act) {
    if (cols >= VL) {
        if (bias) x += vload(bias);
        if (res) x += vload(res);
        vstore(y, vact(x, act));
        return;
    }
    if (bias) x += vload_n(bias, cols);
    if (res) x += vload_n(res, cols);
    vstore_n(y, vact(x, act), cols);
}

// finish puts a tile through the epilogue: m rows from row on of the whole product, columns from j
// on.
static void finish(const vf *tile, long m, long row, long j, long n, float *y, long ldy, epilogue e) {
    long r = e.res ? row % e.resrows : 0;
    for (long i = 0; i < m; i++, y += ldy) {
        for (int v = 0; v < NV && j + v * VL < n; v++) {
            long c = j + v * VL;
            store(y + v * VL, tile[i * NV + v], n - c, e.bias ? e.bias + c : 0, e.res ? e.res + r * n + c : 0, e.act);
        }
        if (++r == e.resrows) r = 0;
    }
}

// inside is finish for H rows, 1 or 2, of a tile that ends before column n: no element needs a
// test. H and act are constants, and the rows are done in step.
static inline __attribute__((always_inline)) void inside(const vf *tile, const int H, long *r, long n, float *y, long ldy,
                                                         epilogue e, const int act) {
    vf x[2 * NV];
    UNROLL for (int i = 0; i < H * NV; i++) x[i] = tile[i];
    if (e.bias) UNROLL for (int i = 0; i < H * NV; i++) x[i] += vload(e.bias + i % NV * VL);
    if (e.res)
        UNROLL for (int h = 0; h < H; h++) {
            UNROLL for (int v = 0; v < NV; v++) x[h * NV + v] += vload(e.res + *r * n + v * VL);
            if (++*r == e.resrows) *r = 0;
        }
    vacts(x, H * NV, act);
    UNROLL for (int i = 0; i < H * NV; i++) vstore(y + i / NV * ldy + i % NV * VL, x[i]);
}

static inline __attribute__((always_inline)) void finishinside(const vf *tile, long m, long row, long j, long n, float *y, long ldy,
                                                               epilogue e, const int act) {
    long r = e.res ? row % e.resrows : 0;
    if (e.bias) e.bias += j;
    if (e.res) e.res += j;
    for (; m >= 2; m -= 2, tile += 2 * NV, y += 2 * ldy) inside(tile, 2, &r, n, y, ldy, e, act);
    for (; m > 0; m--, tile += NV, y += ldy) inside(tile, 1, &r, n, y, ldy, e, act);
}

// A rectangle of memory that is needed next, fetched into the second-level cache step lines at a
// time.
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

static void gemm(const float *a, long lda, long rows, long k, const float *b, long p0, long p1, long n, float *y,
                 long ldy, epilogue e, float *work, const float *next, long floats) {
    if (work) { // rows a multiple of 4 KiB apart would compete for one set of the first-level cache
        for (long i = 0; i < rows; i++) memcpy(work + i * spaced(k), a + i * lda, 4 * k);
        a = work, lda = spaced(k);
    }
    long steps = (rows + MR - 1) / MR, low = rows / steps, more = rows % steps; // as in product
    region wanted = {.p = next, .rows = 1, .cols = floats, .step = floats / 16 / (steps * (p1 - p0)) + 1};
    for (long p = p0; p < p1; p++)
        for (long t = 0, i0 = 0, m; t < steps; t++, i0 += m) {
            m = low + (t < more);
            long j = p * NR;
            float *to = y + i0 * ldy + j;
            for (long i = 0; i < m; i++)
                for (int v = 0; v < NR; v += 16) __builtin_prefetch(to + i * ldy + v, 1); // to be written
            if (floats) fetch(&wanted);
            vf tile[MR * NV];
            tiles[ROWS][m](k, a + i0 * lda, lda, b + p * k * NR, tile);
            long row = e.row0 + i0;
            switch (j + NR > n ? -1 : e.act) {
            case ACT_NONE: finishinside(tile, m, row, j, n, to, ldy, e, ACT_NONE); break;
            case ACT_RELU: finishinside(tile, m, row, j, n, to, ldy, e, ACT_RELU); break;
            case ACT_GELU: finishinside(tile, m, row, j, n, to, ldy, e, ACT_GELU); break;
            default: finish(tile, m, row, j, n, to, ldy, e);
            }
        }
}

// pack writes panels p0..p1 of w [n, k], rows ldw apart, as [p][k][NR] with zeros past n.
static void pack(float *dst, const float *w, long ldw, long n, long k, long p0, long p1) {
    for (long p = p0; p < p1; p++, dst += k * NR) {
        const float *rows[NR];
        for (long c = 0; c < NR; c++) rows[c] = w + (p * NR + c) * ldw;
        transposed(dst, NR, rows, n - p * NR, k, 1);
    }
}

// y = act(a b + bias + res) in register tiles.
//
// The right operand is packed in panels of NR columns, [k][NR], so that one step of k is one load of NR floats; the
// left one is read where it lies, one float broadcast to a vector. A tile of up to MR rows x NR columns is kept in
// registers over all of k and stored once, through the epilogue. A panel (k x NR) and the rows of a task stay in
// the second-level cache, whose latency the processor hides behind the MR * NV multiply-adds of each step.
//
// Each element is one chain of fused multiply-adds in the order of k from zero, whatever the tile it falls
// in; that makes results independent of the number of rows, the split into tasks and the vector length.

static inline long least(long a, long b) { return a < b ? a : b; }
static inline long most(long a, long b) { return a > b ? a : b; }

// A tile function computes M rows of a b into out [M][NV]. Element (i, s) of a is a[i * ra + s * sa], row s of b is
// b + s * ldb. M is a constant, so that acc lives in registers.
typedef void tilefn(long k, const float *a, long ra, long sa, const float *b, long ldb, vf *out);

#define TILE(M)                                                                                         \
    static void tile_##M(long k, const float *a, long ra, long sa, const float *b, long ldb, vf *out) { \
        vf acc[M][NV] = {};                                                                             \
        for (long s = 0; s < k; s++, a += sa, b += ldb) {                                               \
            vf b0 = vload(b), b1 = vload(b + VL);                                                       \
            _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) {                                      \
                vf x = vset(a[i * ra]);                                                                 \
                acc[i][0] += x * b0;                                                                    \
                acc[i][1] += x * b1;                                                                    \
            }                                                                                           \
        }                                                                                               \
        _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) {                                          \
            out[NV * i] = acc[i][0];                                                                    \
            out[NV * i + 1] = acc[i][1];                                                                \
        }                                                                                               \
    }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#if MR == 12
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif

static tilefn *const tiles[MR + 1] = {0, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6,
#if MR == 12
                                      tile_7, tile_8, tile_9, tile_10, tile_11, tile_12,
#endif
};

// product is n rows of a b, stored as they are: [n][NR], aligned.
static void product(long n, long k, const float *a, long ra, long sa, const float *b, float *out) {
    long steps = (n + MR - 1) / MR; // tiles of nearly equal height: a low last tile would run at half speed
    long low = n / steps, more = n % steps;
    for (long t = 0, i0 = 0, m; t < steps; t++, i0 += m) {
        m = low + (t < more);
        tiles[m](k, a + i0 * ra, ra, sa, b, NR, (vf *)(out + i0 * NR));
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

// finish puts a tile through the epilogue: m rows from row on of the whole product, columns from j on. act is a
// constant in most uses.
static inline __attribute__((always_inline)) void finish(const vf *tile, long m, long row, long j, long n, float *y,
                                                         long ldy, epilogue e, int act) {
    long r = e.res ? row % e.resrows : 0;
    for (long i = 0; i < m; i++, y += ldy) {
        for (int v = 0; v < NV && j + v * VL < n; v++) {
            long c = j + v * VL;
            store(y + v * VL, tile[i * NV + v], n - c, e.bias ? e.bias + c : 0, e.res ? e.res + r * n + c : 0, act);
        }
        if (++r == e.resrows) r = 0;
    }
}

// gelu is finish with that activation, by the tile.
static void gelu(vf *tile, long m, long row, long j, long n, float *y, long ldy, epilogue e) {
    if (j + NR > n) {
        finish(tile, m, row, j, n, y, ldy, e, ACT_GELU);
        return;
    }
    finish(tile, m, row, j, n, (float *)tile, NR, e, ACT_NONE);
    long i = 0;
    for (; i + 6 <= m * NV; i += 6) vgelus(tile + i, 6);
    for (; i < m * NV; i += NV) vgelus(tile + i, NV);
    finish(tile, m, row, j, n, y, ldy, (epilogue){.resrows = 1}, ACT_NONE);
}

// A rectangle of memory that is wanted next, fetched into the second-level cache step lines at a time, and then another.
typedef struct region {
    const float *p;
    long rows, cols, pitch; // in floats
    long row, col, step;
    struct region *then;
} region;

static inline void fetch(region *r) {
    while (r && r->row >= r->rows) r = r->then;
    for (long i = 0; r && i < r->step && r->row < r->rows; i++) {
        __builtin_prefetch(r->p + r->row * r->pitch + r->col, 0, 2);
        if ((r->col += 16) >= r->cols) r->col = 0, r->row++;
    }
}

static void gemm(const float *a, long lda, long rows, long k, const float *b, long p0, long p1, long n, float *y,
                 long ldy, epilogue e, float *work, const float *next, long floats) {
    if (work) { // rows a multiple of 4 KiB apart would compete for one set of the first-level cache
        for (long i = 0; i < rows; i++) memcpy(work + i * (k + 16), a + i * lda, 4 * k);
        a = work, lda = k + 16;
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
            tiles[m](k, a + i0 * lda, lda, 1, b + p * k * NR, NR, tile);
            switch (e.act) {
            case ACT_NONE: finish(tile, m, e.row0 + i0, j, n, to, ldy, e, ACT_NONE); break;
            case ACT_RELU: finish(tile, m, e.row0 + i0, j, n, to, ldy, e, ACT_RELU); break;
            case ACT_GELU: gelu(tile, m, e.row0 + i0, j, n, to, ldy, e); break;
            default: finish(tile, m, e.row0 + i0, j, n, to, ldy, e, e.act);
            }
        }
}

// pack writes panels p0..p1 of w [n, k], rows ldw apart, as [p][k][NR] with zeros past n.
static void pack(float *dst, const float *w, long ldw, long n, long k, long p0, long p1) {
    for (long p = p0; p < p1; p++, dst += k * NR) {
        const float *rows[NR];
        for (long c = 0; c < NR; c++) rows[c] = w + (p * NR + c) * ldw;
        columns(dst, NR, rows, n - p * NR, k, 1);
    }
}

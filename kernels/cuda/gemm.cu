// Products Y[M,N] = epilogue(A[M,K] B[N,K]^T): linear layers, convolutions (A is gathered from the map as it is needed) and
// transposed convolutions (Y is scattered). A is float32 in memory; B is packed weights in the precision of the device.
//
// On the tensor cores a block makes a tile of Y from tiles of 32 factors of K: those of B come by asynchronous copies,
// those of A through registers, where they are rounded to 16 bits. While one pair of tiles is multiplied the next is on
// its way. A row of a tile is 64 bytes in shared memory, four vectors of 16, of which row r has vector v at place
// v ^ (r / 2 % 4): so eight rows that are read together lie in different banks.

struct gemm_args {
    const float *a; // or 16-bit factors, where the kernel says so
    const void *b;
    const float *bias, *res; // or NULL
    float *y;                // or 16-bit factors
    int m, n, k;
    int row;      // factors of a row of B in memory, zeros beyond k
    int res_rows; // of res, which repeats
    int act;
    int h, w, c, oh, ow, kernel, stride, pad; // of convolutions: the map [., h, w, c] and the result's [., oh, ow, n]
    int up; // the width of the map of a transposed convolution, else 0
    int narrow; // whether Y is in the 16 bits of the device
};

// How rows of A lie: dense in vectors of 4, gathered in such vectors, or gathered one by one. Dense rows that are no
// vectors are gathered too, as a 1x1 convolution.
enum { DENSE, GATHER, GATHER_ONE };

// Where a row of A begins: its offset, and the corner under the kernel. Beyond the last row the corner is outside the map.
struct gemm_row {
    int at;
    short y, x;
};

template <int KIND> static __device__ inline gemm_row find_row(const gemm_args &g, int r) {
    if (KIND == DENSE) return {least(r, g.m - 1), 0, 0};
    if (r >= g.m) return {0, -(1 << 14), 0};
    int pixels = g.oh * g.ow, b = r / pixels, p = r % pixels;
    return {b * g.h * g.w * g.c, (short)(p / g.ow * g.stride - g.pad), (short)(p % g.ow * g.stride - g.pad)};
}

// Factors k to k+3 one by one. Under a row of the kernel they lie one after the other in a row of the map.
static __device__ inline float4 gather_ones(const gemm_args &g, const gemm_row &r, int k) {
    int under = g.kernel * g.c, y = k / under, at = r.x * g.c + k - y * under, end = r.x * g.c + under;
    const float *row = g.a + r.at + (r.y + y) * g.w * g.c;
    float v[4];
#pragma unroll
    for (int i = 0; i < 4; i++, at++) {
        if (at == end) at -= under, y++, row += g.w * g.c;
        bool in = k + i < g.k && (unsigned)(r.y + y) < (unsigned)g.h && (unsigned)at < (unsigned)(g.w * g.c);
        v[i] = in ? row[at] : 0;
    }
    return make_float4(v[0], v[1], v[2], v[3]);
}

// Factors k to k+3 of a row, zeros where there are none. k is a multiple of 4.
template <int KIND> static __device__ inline float4 load_four(const gemm_args &g, const gemm_row &r, int k) {
    if (KIND == GATHER_ONE) return gather_ones(g, r, k);
    if (k >= g.k) return make_float4(0, 0, 0, 0);
    if (KIND == DENSE) return *(const float4 *)(g.a + (size_t)r.at * g.k + k); // what rows beyond the last bring is not stored
    int tap = k / g.c, y = r.y + tap / g.kernel, x = r.x + tap % g.kernel;
    if ((unsigned)y >= (unsigned)g.h || (unsigned)x >= (unsigned)g.w) return make_float4(0, 0, 0, 0);
    return *(const float4 *)(g.a + r.at + (y * g.w + x) * g.c + k % g.c);
}

// Bias, residual and activation of element (r, c), and the place of the result. A transposed convolution makes of row
// (b, y, x) and column (dy, dx, n) the channel n of pixel (2y + dy, 2x + dx).
static __device__ inline void store_one(const gemm_args &g, int r, int c, float v) {
    size_t at = (size_t)r * g.n + c, res = (size_t)(r % g.res_rows) * g.n + c;
    if (g.up) {
        int channels = g.n / 4, q = c / channels, x = r % g.up, y = r / g.up; // y counts through all maps
        c %= channels;
        at = res = ((size_t)(2 * y + q / 2) * 2 * g.up + 2 * x + q % 2) * channels + c;
    }
    if (g.bias) v += g.bias[c];
    if (g.res) v += g.res[res];
    g.y[at] = act(v, g.act);
}

// In float32 there are no 16 bits to store, and GELU is exact.
struct f32 {
    static __device__ inline unsigned pack(float, float) { return 0; }
    static __device__ inline float activate(float v, int kind) { return act(v, kind); }
};
template <class Half> struct in_half {
    static __device__ inline unsigned pack(float lo, float hi) { return Half::pack(lo, hi); }
    static __device__ inline float activate(float v, int kind) { return act_fast(v, kind); }
};

// Stores elements (r, c) to (r, c+3), of rows of a multiple of 4. c is one, too.
template <class To> static __device__ inline void store_vector(const gemm_args &g, int r, int c, float4 v) {
    if (g.bias) {
        float4 b = *(const float4 *)(g.bias + c);
        v.x += b.x, v.y += b.y, v.z += b.z, v.w += b.w;
    }
    if (g.res) {
        float4 b = *(const float4 *)(g.res + (size_t)(r % g.res_rows) * g.n + c);
        v.x += b.x, v.y += b.y, v.z += b.z, v.w += b.w;
    }
    if (g.act) v.x = To::activate(v.x, g.act), v.y = To::activate(v.y, g.act), v.z = To::activate(v.z, g.act), v.w = To::activate(v.w, g.act);
    size_t at = (size_t)r * g.n + c;
    if (g.narrow) {
        *(uint2 *)((half_bits *)g.y + at) = make_uint2(To::pack(v.x, v.y), To::pack(v.z, v.w));
    } else {
        *(float4 *)(g.y + at) = v;
    }
}

// The same of any rows, where the elements are, from memory.
template <class To> static __device__ inline void store_four(const gemm_args &g, int r, int c, const float *sums) {
    if (r >= g.m || c >= g.n) return;
    if (g.up || g.n % 4) {
#pragma unroll 1
        for (int i = 0; i < 4 && c + i < g.n; i++) store_one(g, r, c + i, sums[i]);
        return;
    }
    store_vector<To>(g, r, c, *(const float4 *)sums);
}

static const int TILE_K = 32;
static const int SUMS = 36; // floats from one row of a warp's 32 columns to the next, against bank conflicts

// The vector of 8 factors at place v of row r of a tile.
static __device__ inline half_bits *tile_vector(half_bits *tile, int r, int v) { return tile + r * TILE_K + (v ^ (r >> 1 & 3)) * 8; }

// Each warp turns its sums of 16*MT rows and 32 columns, 32 rows at a time, from fragments into rows, and stores those.
template <class Half, int MT> static __device__ inline void store_sums(const gemm_args &g, int m0, int n0, const float (&sum)[MT][4][4]) {
    int lane = threadIdx.x % 32;
    float *own = (float *)shared_memory() + threadIdx.x / 32 * 32 * SUMS;
#pragma unroll
    for (int i0 = 0; i0 < MT; i0 += 2) {
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
                float *at = own + (i * 16 + lane / 4) * SUMS + j * 8 + lane % 4 * 2;
                *(float2 *)at = make_float2(sum[i0 + i][j][0], sum[i0 + i][j][1]);
                *(float2 *)(at + 8 * SUMS) = make_float2(sum[i0 + i][j][2], sum[i0 + i][j][3]);
            }
        __syncwarp();
#pragma unroll 1
        for (int r = lane / 8; r < 32; r += 4)
            store_four<in_half<Half>>(g, m0 + i0 * 16 + r, n0 + lane % 8 * 4, own + r * SUMS + lane % 8 * 4);
        __syncwarp();
    }
}

// A block of WARPS_M x WARPS_N warps, each of which makes 16*MT x 32 of Y.
template <class Half, int KIND, int WARPS_M, int WARPS_N, int MT> static __device__ void gemm_half(const gemm_args &g) {
    const int NT = 4, BM = WARPS_M * MT * 16, BN = WARPS_N * NT * 8, THREADS = WARPS_M * WARPS_N * 32;
    const int A_LOADS = BM * TILE_K / 4 / THREADS, B_COPIES = BN * TILE_K / 8 / THREADS;
    half_bits *tile_a = (half_bits *)shared_memory(), *tile_b = tile_a + 2 * BM * TILE_K; // two of [BM, 32], two of [BN, 32]
    int t = threadIdx.x, lane = t % 32, warp = t / 32;
    int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;
    int wm = warp / WARPS_N * MT * 16, wn = warp % WARPS_N * NT * 8;

    // This thread brings 4 factors of A, at t % 8, of each of A_LOADS rows.
    gemm_row rows[A_LOADS];
#pragma unroll
    for (int i = 0; i < A_LOADS; i++) rows[i] = find_row<KIND>(g, m0 + t / 8 + i * (THREADS / 8));
    float4 next[A_LOADS];
    auto load_a = [&](int k0) {
#pragma unroll
        for (int i = 0; i < A_LOADS; i++) next[i] = load_four<KIND>(g, rows[i], k0 + t % 8 * 4);
    };
    auto store_a = [&](half_bits *tile) {
#pragma unroll
        for (int i = 0; i < A_LOADS; i++) {
            uint2 v = make_uint2(Half::pack(next[i].x, next[i].y), Half::pack(next[i].z, next[i].w));
            *(uint2 *)(tile_vector(tile, t / 8 + i * (THREADS / 8), t % 8 / 2) + t % 2 * 4) = v;
        }
    };
    auto copy_b = [&](half_bits *tile, int k0) {
#pragma unroll
        for (int i = 0; i < B_COPIES; i++) {
            int r = t / 4 + i * (THREADS / 4), n = n0 + r, k = k0 + t % 4 * 8;
            bool there = n < g.n && k < g.row;
            copy_async(tile_vector(tile, r, t % 4), (const half_bits *)g.b + (there ? (size_t)n * g.row + k : 0), there ? 16 : 0);
        }
        copy_commit();
    };

    float sum[MT][NT][4];
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int j = 0; j < NT; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) sum[i][j][e] = 0;

    int steps = ceil_div(g.k, TILE_K);
    load_a(0);
    copy_b(tile_b, 0);
    store_a(tile_a);
    copy_wait<0>();
    __syncthreads();
#pragma unroll 1
    for (int s = 0; s < steps; s++) {
        half_bits *ta = tile_a + s % 2 * BM * TILE_K, *tb = tile_b + s % 2 * BN * TILE_K;
        if (s + 1 < steps) {
            copy_b(tile_b + (s + 1) % 2 * BN * TILE_K, (s + 1) * TILE_K);
            load_a((s + 1) * TILE_K);
        }
#pragma unroll 1
        for (int half = 0; half < 2; half++) {
            unsigned fa[MT][4], fb[NT / 2][4];
#pragma unroll
            for (int i = 0; i < MT; i++) load_matrix4(fa[i], tile_vector(ta, wm + i * 16 + lane % 16, half * 2 + lane / 16));
#pragma unroll
            for (int j = 0; j < NT / 2; j++) load_matrix4(fb[j], tile_vector(tb, wn + j * 16 + lane / 16 * 8 + lane % 8, half * 2 + lane / 8 % 2));
#pragma unroll
            for (int i = 0; i < MT; i++)
#pragma unroll
                for (int j = 0; j < NT; j++) Half::mma(sum[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
        }
        if (s + 1 < steps) {
            store_a(tile_a + (s + 1) % 2 * BM * TILE_K);
            copy_wait<0>();
        }
        __syncthreads();
    }

    store_sums<Half, MT>(g, m0 + wm, n0 + wn, sum);
}

// The same for A of 16-bit factors, dense: both come by asynchronous copies, STAGES - 1 tiles ahead.
template <class Half, int WARPS_M, int WARPS_N, int MT, int STAGES> static __device__ void gemm_narrow(const gemm_args &g) {
    const int NT = 4, BM = WARPS_M * MT * 16, BN = WARPS_N * NT * 8, THREADS = WARPS_M * WARPS_N * 32, TILE = (BM + BN) * TILE_K;
    half_bits *tiles = (half_bits *)shared_memory(); // STAGES of A [BM, 32] and B [BN, 32]
    int t = threadIdx.x, lane = t % 32, warp = t / 32;
    int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;
    int wm = warp / WARPS_N * MT * 16, wn = warp % WARPS_N * NT * 8;

    // This thread copies vector t % 4 of rows t / 4, t / 4 + THREADS / 4, ... of A, and then of B.
    const half_bits *a = (const half_bits *)g.a + (size_t)(m0 + t / 4) * g.k, *b = (const half_bits *)g.b + (size_t)(n0 + t / 4) * g.row;
    int at = t % 4 * 8;
    half_bits *to = tile_vector(tiles, t / 4, t % 4); // rows THREADS / 4 further are in the same place of their tile
    auto fetch = [&](int s) {
        int k = s * TILE_K + at;
        half_bits *p = to + s % STAGES * TILE;
#pragma unroll
        for (int i = 0; i < BM * 4 / THREADS; i++) {
            bool in = k < g.k && m0 + t / 4 + i * (THREADS / 4) < g.m;
            copy_async(p + i * (THREADS / 4) * TILE_K, in ? a + (size_t)i * (THREADS / 4) * g.k + k : (const half_bits *)g.a, in ? 16 : 0);
        }
#pragma unroll
        for (int i = 0; i < BN * 4 / THREADS; i++) {
            bool in = k < g.row && n0 + t / 4 + i * (THREADS / 4) < g.n;
            copy_async(p + BM * TILE_K + i * (THREADS / 4) * TILE_K, in ? b + (size_t)i * (THREADS / 4) * g.row + k : (const half_bits *)g.b, in ? 16 : 0);
        }
    };

    float sum[MT][NT][4];
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int j = 0; j < NT; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) sum[i][j][e] = 0;

    int steps = ceil_div(g.k, TILE_K);
#pragma unroll 1
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) fetch(s);
        copy_commit();
    }
#pragma unroll 1
    for (int s = 0; s < steps; s++) {
        copy_wait<STAGES - 2>();
        __syncthreads(); // tile s is here, and tile s - 1 done with
        if (s + STAGES - 1 < steps) fetch(s + STAGES - 1);
        copy_commit();
        half_bits *ta = tiles + s % STAGES * TILE, *tb = ta + BM * TILE_K;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            unsigned fa[MT][4], fb[NT / 2][4];
#pragma unroll
            for (int i = 0; i < MT; i++) load_matrix4(fa[i], tile_vector(ta, wm + i * 16 + lane % 16, half * 2 + lane / 16));
#pragma unroll
            for (int j = 0; j < NT / 2; j++) load_matrix4(fb[j], tile_vector(tb, wn + j * 16 + lane / 16 * 8 + lane % 8, half * 2 + lane / 8 % 2));
#pragma unroll
            for (int i = 0; i < MT; i++)
#pragma unroll
                for (int j = 0; j < NT; j++) Half::mma(sum[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
        }
    }
    copy_wait<0>();
    __syncthreads();
    store_sums<Half, MT>(g, m0 + wm, n0 + wn, sum);
}

// Sizes of tile: 128 x 128 by 8 warps, 128 x 64 and 64 x 64 by 4 where the large ones would leave multiprocessors idle.
#define GEMM_LARGE(half, name, kind)                                                                                        \
    typedef gemm_args gemm_##half##_##name##_large_args;                                                                    \
    KERNEL_BOUNDS(gemm_##half##_##name##_large, 256, 2) { gemm_half<half, kind, 2, 4, 4>(args); }
#define GEMM_SMALL(half, name, kind)                                                                                        \
    typedef gemm_args gemm_##half##_##name##_small_args;                                                                    \
    KERNEL_BOUNDS(gemm_##half##_##name##_small, 128, 4) { gemm_half<half, kind, 2, 2, 2>(args); }
#define GEMM_KINDS(half)                                                                                                    \
    GEMM_LARGE(half, dense, DENSE)                                                                                          \
    GEMM_SMALL(half, dense, DENSE)                                                                                          \
    GEMM_LARGE(half, gather, GATHER)                                                                                        \
    GEMM_SMALL(half, gather, GATHER)                                                                                        \
    GEMM_SMALL(half, gather_one, GATHER_ONE)                                                                                \
    typedef gemm_args gemm_##half##_narrow_large_args;                                                                      \
    KERNEL_BOUNDS(gemm_##half##_narrow_large, 256, 2) { gemm_narrow<half, 2, 4, 4, 4>(args); }                              \
    typedef gemm_args gemm_##half##_narrow_medium_args;                                                                     \
    KERNEL_BOUNDS(gemm_##half##_narrow_medium, 128, 4) { gemm_narrow<half, 2, 2, 4, 4>(args); }                             \
    typedef gemm_args gemm_##half##_narrow_small_args;                                                                      \
    KERNEL_BOUNDS(gemm_##half##_narrow_small, 128, 4) { gemm_narrow<half, 2, 2, 2, 4>(args); }
GEMM_KINDS(bf16)
GEMM_KINDS(f16)

// In float32: a block of 256 threads makes 64 x 64 from tiles of 16 factors, each thread 4 x 4, every element one sequence
// of fused multiply-adds in the order of K.
template <int KIND> static __device__ void gemm_float(const gemm_args &g) {
    const int BM = 64, BN = 64, BK = 16, PITCH = BM + 4;
    float *tile_a = (float *)shared_memory(), *tile_b = tile_a + BK * PITCH; // [BK][64], transposed
    int t = threadIdx.x, tx = t % 16, ty = t / 16;
    int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;
    int r = t / 4, k4 = t % 4 * 4; // what this thread brings
    gemm_row row = find_row<KIND>(g, m0 + r);
    float sum[4][4] = {};
#pragma unroll 1
    for (int k0 = 0; k0 < g.k; k0 += BK) {
        float4 a = load_four<KIND>(g, row, k0 + k4), b = make_float4(0, 0, 0, 0);
        if (n0 + r < g.n && k0 + k4 < g.row) b = *(const float4 *)((const float *)g.b + (size_t)(n0 + r) * g.row + k0 + k4);
        __syncthreads();
        tile_a[(k4 + 0) * PITCH + r] = a.x, tile_a[(k4 + 1) * PITCH + r] = a.y;
        tile_a[(k4 + 2) * PITCH + r] = a.z, tile_a[(k4 + 3) * PITCH + r] = a.w;
        tile_b[(k4 + 0) * PITCH + r] = b.x, tile_b[(k4 + 1) * PITCH + r] = b.y;
        tile_b[(k4 + 2) * PITCH + r] = b.z, tile_b[(k4 + 3) * PITCH + r] = b.w;
        __syncthreads();
#pragma unroll
        for (int k = 0; k < BK; k++) {
            float4 x = *(const float4 *)(tile_a + k * PITCH + ty * 4), w = *(const float4 *)(tile_b + k * PITCH + tx * 4);
            float xs[4] = {x.x, x.y, x.z, x.w}, ws[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] = fmaf(xs[i], ws[j], sum[i][j]);
        }
    }
    __syncthreads();
    float *own = tile_a + t * 4; // a row of this thread's sums at a time
#pragma unroll
    for (int i = 0; i < 4; i++) {
        *(float4 *)own = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
        store_four<f32>(g, m0 + ty * 4 + i, n0 + tx * 4, own);
    }
}

#define GEMM_FLOAT(name, kind)                                                                                              \
    typedef gemm_args gemm_f32_##name##_args;                                                                               \
    KERNEL_BOUNDS(gemm_f32_##name, 256, 3) { gemm_float<kind>(args); }
GEMM_FLOAT(dense, DENSE)
GEMM_FLOAT(gather, GATHER)
GEMM_FLOAT(gather_one, GATHER_ONE)

// A product of few rows reads weights and little else: one warp for each column, its lanes across K, all rows at once.
// Factors stay float32, weights are what they are.
static const int FEW = 8; // rows at once

template <class W> static __device__ inline void load_weights(const W *p, float (&w)[8]);
struct bf16_bits { half_bits bits; };
struct f16_bits { half_bits bits; };
template <> __device__ inline void load_weights(const float *p, float (&w)[8]) {
    float4 a = ((const float4 *)p)[0], b = ((const float4 *)p)[1];
    w[0] = a.x, w[1] = a.y, w[2] = a.z, w[3] = a.w, w[4] = b.x, w[5] = b.y, w[6] = b.z, w[7] = b.w;
}
template <> __device__ inline void load_weights(const bf16_bits *p, float (&w)[8]) {
    uint4 v = *(const uint4 *)p;
    unsigned u[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 8; i++) w[i] = from_bf16((half_bits)(u[i / 2] >> (i % 2 * 16)));
}
template <> __device__ inline void load_weights(const f16_bits *p, float (&w)[8]) {
    uint4 v = *(const uint4 *)p;
    unsigned u[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 8; i++) w[i] = from_f16((half_bits)(u[i / 2] >> (i % 2 * 16)));
}

template <class W> static __device__ void gemm_few(const gemm_args &g) {
    int lane = threadIdx.x % 32, n = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, r0 = blockIdx.y * FEW;
    int rows = least(FEW, g.m - r0);
    float sum[FEW] = {};
    if (n < g.n) {
        const W *w = (const W *)g.b + (size_t)n * g.row;
        for (int k = lane * 8; k < g.k; k += 32 * 8) {
            float ws[8] = {};
            if (k + 8 <= g.row) {
                load_weights(w + k, ws);
            } else { // rows of float32 are whole vectors of 4
                float4 v = *(const float4 *)(w + k);
                ws[0] = v.x, ws[1] = v.y, ws[2] = v.z, ws[3] = v.w;
            }
            const float *x = g.a + (size_t)r0 * g.k + k;
            if (k + 8 <= g.k && g.k % 4 == 0 && (size_t)g.a % 16 == 0) {
#pragma unroll
                for (int r = 0; r < FEW; r++, x += g.k) {
                    if (r >= rows) continue;
                    float4 a = ((const float4 *)x)[0], b = ((const float4 *)x)[1];
                    sum[r] = fmaf(a.x, ws[0], sum[r]), sum[r] = fmaf(a.y, ws[1], sum[r]);
                    sum[r] = fmaf(a.z, ws[2], sum[r]), sum[r] = fmaf(a.w, ws[3], sum[r]);
                    sum[r] = fmaf(b.x, ws[4], sum[r]), sum[r] = fmaf(b.y, ws[5], sum[r]);
                    sum[r] = fmaf(b.z, ws[6], sum[r]), sum[r] = fmaf(b.w, ws[7], sum[r]);
                }
            } else {
#pragma unroll
                for (int i = 0; i < 8; i++)
#pragma unroll
                    for (int r = 0; r < FEW; r++)
                        if (r < rows && k + i < g.k) sum[r] = fmaf(x[r * g.k + i], ws[i], sum[r]);
            }
        }
    }
    float mine = 0; // lane r keeps row r
#pragma unroll
    for (int r = 0; r < FEW; r++) {
        float v = sum[r];
#pragma unroll
        for (int by = 16; by > 0; by /= 2) v += __shfl_xor_sync(FULL, v, by);
        if (lane == r) mine = v;
    }
    if (n < g.n && lane < rows) store_one(g, r0 + lane, n, mine);
}

typedef gemm_args gemm_f32_few_args;
KERNEL(gemm_f32_few) { gemm_few<float>(args); }
typedef gemm_args gemm_bf16_few_args;
KERNEL(gemm_bf16_few) { gemm_few<bf16_bits>(args); }
typedef gemm_args gemm_f16_few_args;
KERNEL(gemm_f16_few) { gemm_few<f16_bits>(args); }

// A convolution to 4 or 16 channels of a map of few: a thread for each pixel of the result, the weights in shared memory.
template <class W, int N> static __device__ inline void conv_few(const gemm_args &g) {
    float *w = (float *)shared_memory(); // [k][N]
    for (int i = threadIdx.x; i < N * (g.row / 8); i += blockDim.x) {
        int n = i % N, k = i / N * 8;
        float ws[8];
        load_weights((const W *)g.b + (size_t)n * g.row + k, ws);
#pragma unroll
        for (int j = 0; j < 8; j++)
            if (k + j < g.k) w[(k + j) * N + n] = ws[j];
    }
    __syncthreads();
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= g.m) return;
    gemm_row row = find_row<GATHER>(g, r);
    float4 sum[N / 4];
#pragma unroll
    for (int j = 0; j < N / 4; j++) sum[j] = make_float4(0, 0, 0, 0);
    for (int ky = 0; ky < g.kernel; ky++)
        for (int kx = 0; kx < g.kernel; kx++) {
            int y = row.y + ky, x = row.x + kx;
            if ((unsigned)y >= (unsigned)g.h || (unsigned)x >= (unsigned)g.w) continue;
            const float *p = g.a + row.at + (y * g.w + x) * g.c;
            const float4 *ws = (const float4 *)(w + (ky * g.kernel + kx) * g.c * N);
            for (int c = 0; c < g.c; c++) {
                float v = p[c];
#pragma unroll
                for (int j = 0; j < N / 4; j++) {
                    float4 f = ws[c * (N / 4) + j];
                    sum[j] = make_float4(fmaf(v, f.x, sum[j].x), fmaf(v, f.y, sum[j].y), fmaf(v, f.z, sum[j].z), fmaf(v, f.w, sum[j].w));
                }
            }
        }
#pragma unroll
    for (int j = 0; j < N / 4; j++) store_vector<f32>(g, r, 4 * j, sum[j]);
}

#define CONV_FEW(name, W)                                         \
    typedef gemm_args conv_##name##_4_args;                       \
    KERNEL(conv_##name##_4) { conv_few<W, 4>(args); }             \
    typedef gemm_args conv_##name##_16_args;                      \
    KERNEL(conv_##name##_16) { conv_few<W, 16>(args); }
CONV_FEW(bf16, bf16_bits)
CONV_FEW(f16, f16_bits)

// Y[M,N] = A[M,K] B[N,K]^T of two activations, for few rows of A and many of B: a thread takes a row of B against FEW of A,
// which lie in shared memory. float32 in any precision.
struct matmul_nt_args {
    const float *a, *b;
    float *y;
    int m, n, k;
};

KERNEL(matmul_nt) {
    const int K = 64; // at a time
    float *a = (float *)shared_memory(); // [FEW][K]
    int r0 = blockIdx.y * FEW, n = blockIdx.x * blockDim.x + threadIdx.x;
    float sum[FEW] = {};
    for (int k0 = 0; k0 < args.k; k0 += K) {
        __syncthreads();
        for (int i = threadIdx.x; i < FEW * K; i += blockDim.x) {
            int r = r0 + i / K, k = k0 + i % K;
            a[i] = r < args.m && k < args.k ? args.a[(size_t)r * args.k + k] : 0;
        }
        __syncthreads();
        if (n >= args.n) continue;
        const float *b = args.b + (size_t)n * args.k + k0;
        int count = least(K, args.k - k0);
        for (int k = 0; k < count; k++) {
            float v = b[k];
#pragma unroll
            for (int r = 0; r < FEW; r++) sum[r] = fmaf(a[r * K + k], v, sum[r]);
        }
    }
    if (n >= args.n) return;
#pragma unroll
    for (int r = 0; r < FEW; r++)
        if (r0 + r < args.m) args.y[(size_t)(r0 + r) * args.n + n] = sum[r];
}

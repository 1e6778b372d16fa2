// Attention on the tensor cores: queries, keys, values and weights are 16-bit factors, scores and sums float32.
//
// A warp has M tiles of 16 queries. It multiplies them with a tile of keys in shared memory, in fragments of mma.m16n8k16;
// the scores, as powers of 2, become weights in the registers where they are, which serve as the left factor of the
// product with the tile of values. So a lane has, of each of its 8-column pieces, two columns of two rows, 8 apart, and a
// row lies in four lanes.
//
// The softmax is a lazy one: weights are powers relative to a score that was the largest of the row at some time. Only when
// a score exceeds it by a factor of more than 2^8 in weight are the warp's rows scaled to their largest scores of now. The
// quotient of the sums is the same, and most tiles neither exchange maxima nor touch the sums.
//
// Widths are rounded up to what the kernel is made for, with zeros. Rows in shared memory are 16 bytes longer than their
// elements, so that the eight rows of a matrix of ldmatrix lie in different banks.

// Of the queries' fragments, of 16 channels each, the first HELD are in registers, the others in shared memory.
template <class Half, int D, int DV, int KEYS, int M, int HELD> struct attend_warp {
    static constexpr int REST = D / 16 - HELD;
    static constexpr int K_ROW = D + 8, V_ROW = DV + 8, HELD_ROW = 16 * HELD + 8, REST_ROW = 16 * REST + 8;

    unsigned q[HELD ? HELD : 1][M][4];
    float s[M][KEYS / 8][4], o[M][DV / 8][4];
    float top[M][2], sum[M][2]; // by row: what weights are relative to; of the sum this lane's share

    // Where a lane points ldmatrix to, for a left factor and for a right one that lies transposed or not.
    static __device__ __forceinline__ int left_at(int row) { return threadIdx.x % 16 * row + threadIdx.x % 32 / 16 * 8; }
    static __device__ __forceinline__ int key_at() { return (threadIdx.x % 32 / 16 * 8 + threadIdx.x % 8) * K_ROW + threadIdx.x / 8 % 2 * 8; }
    static __device__ __forceinline__ int value_at() { return threadIdx.x % 16 * V_ROW + threadIdx.x % 32 / 16 * 8; }

    // Takes over the fragments that are held. held is this warp's first row of them.
    __device__ __forceinline__ void begin(const half_bits *held) {
#pragma unroll
        for (int m = 0; m < M; m++) {
#pragma unroll
            for (int c = 0; c < HELD; c++) load_matrix4(q[c][m], held + left_at(HELD_ROW) + 16 * m * HELD_ROW + 16 * c);
#pragma unroll
            for (int r = 0; r < 2; r++) top[m][r] = minus_infinity(), sum[m][r] = 0;
#pragma unroll
            for (int j = 0; j < DV / 8; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) o[m][j][i] = 0;
        }
    }

    // Adds to the scores what 16 channels make.
    template <bool SKIP> __device__ __forceinline__ void step(const unsigned (&a)[M][4], const half_bits *keys, int n) {
#pragma unroll
        for (int j = 0; j < KEYS / 16; j++) {
            if (SKIP && 16 * j >= n) continue;
            unsigned b[4];
            load_matrix4(b, keys + 16 * j * K_ROW);
#pragma unroll
            for (int m = 0; m < M; m++) {
                Half::mma(s[m][2 * j], a[m], b[0], b[1]);
                Half::mma(s[m][2 * j + 1], a[m], b[2], b[3]);
            }
        }
    }

    // The scores of n keys; those behind, of whole pieces of 16, are left out if SKIP. rest is this warp's first row of the
    // queries' channels that are not held.
    template <bool SKIP> __device__ __forceinline__ void score(const half_bits *keys, const half_bits *rest, int n) {
        keys += key_at();
        rest += left_at(REST_ROW);
#pragma unroll
        for (int m = 0; m < M; m++)
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) s[m][j][i] = 0;
#pragma unroll
        for (int c = 0; c < HELD; c++) step<SKIP>(q[c], keys + 16 * c, n);
#pragma unroll
        for (int c = 0; c < REST; c++) {
            unsigned a[M][4];
#pragma unroll
            for (int m = 0; m < M; m++) load_matrix4(a[m], rest + 16 * m * REST_ROW + 16 * c);
            step<SKIP>(a, keys + 16 * (HELD + c), n);
        }
    }

    // Scores to weights. unit is what makes a product a power of 2, slack by how much a product may exceed top.
    template <bool SKIP> __device__ __forceinline__ void weigh(int n, float unit, float slack) {
        int lane = threadIdx.x % 32;
        if (n < KEYS)
#pragma unroll
            for (int m = 0; m < M; m++)
#pragma unroll
                for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
                    for (int i = 0; i < 4; i++)
                        if (8 * j + lane % 4 * 2 + i % 2 >= n) s[m][j][i] = minus_infinity();
        float now[M][2];
        bool above = false;
#pragma unroll
        for (int m = 0; m < M; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                now[m][r] = fmaxf(s[m][0][2 * r], s[m][0][2 * r + 1]);
#pragma unroll
                for (int j = 1; j < KEYS / 8; j++)
                    if (!SKIP || 16 * (j / 2) < n) now[m][r] = fmaxf(now[m][r], fmaxf(s[m][j][2 * r], s[m][j][2 * r + 1]));
                above |= now[m][r] > top[m][r] + slack;
            }
        if (__any_sync(FULL, above)) {
#pragma unroll
            for (int m = 0; m < M; m++)
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    float most_now = fmaxf(now[m][r], __shfl_xor_sync(FULL, now[m][r], 1));
                    most_now = fmaxf(top[m][r], fmaxf(most_now, __shfl_xor_sync(FULL, most_now, 2)));
                    float shrink = exp2_fast((top[m][r] - most_now) * unit);
                    top[m][r] = most_now;
                    sum[m][r] *= shrink;
#pragma unroll
                    for (int j = 0; j < DV / 8; j++) o[m][j][2 * r] *= shrink, o[m][j][2 * r + 1] *= shrink;
                }
        }
#pragma unroll
        for (int m = 0; m < M; m++) {
            float off[2] = {-top[m][0] * unit, -top[m][1] * unit};
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++) {
                if (SKIP && 16 * (j / 2) >= n) continue;
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    s[m][j][i] = exp2_fast(fmaf(s[m][j][i], unit, off[i / 2]));
                    sum[m][i / 2] += s[m][j][i];
                }
            }
        }
    }

    // Adds the values so weighed.
    template <bool SKIP> __device__ __forceinline__ void spread(const half_bits *values, int n) {
        values += value_at();
#pragma unroll
        for (int j = 0; j < KEYS / 16; j++) {
            if (SKIP && 16 * j >= n) continue;
            unsigned p[M][4];
#pragma unroll
            for (int m = 0; m < M; m++)
#pragma unroll
                for (int i = 0; i < 4; i++) p[m][i] = Half::pack(s[m][2 * j + i / 2][i % 2 * 2], s[m][2 * j + i / 2][i % 2 * 2 + 1]);
#pragma unroll
            for (int c = 0; c < DV / 16; c++) {
                unsigned b[4];
                load_matrix4_transposed(b, values + 16 * j * V_ROW + 16 * c);
#pragma unroll
                for (int m = 0; m < M; m++) {
                    Half::mma(o[m][2 * c], p[m], b[0], b[1]);
                    Half::mma(o[m][2 * c + 1], p[m], b[2], b[3]);
                }
            }
        }
    }

    // The sum of a row's weights, in all of its lanes.
    __device__ __forceinline__ float all(int m, int r) const {
        float v = sum[m][r];
        v += __shfl_xor_sync(FULL, v, 1);
        return v + __shfl_xor_sync(FULL, v, 2);
    }

    // Writes the results, or those of a part.
    __device__ __forceinline__ void end(const attend_args &a, const attend_place &at, int problem, int part, int q0) const {
        int lane = threadIdx.x % 32;
#pragma unroll
        for (int m = 0; m < M; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                float weights = all(m, r), by = 1.0f / weights;
                int query = q0 + 16 * m + lane / 4 + 8 * r, row = query_row(a, at, query);
                if (row < 0) continue;
                size_t to = (size_t)row * a.ldy + at.head * a.dv;
                float *y = (float *)a.y + to;
                bool narrow = a.y_type != FACTORS_F32;
                if (a.parts > 1) {
                    size_t of_part = ((size_t)problem * a.parts + part) * a.nq + query;
                    y = a.part_y + of_part * a.dv, by = 1.0f, narrow = false;
                    if (lane % 4 == 0) a.part_top[of_part] = top[m][r] * a.scale, a.part_sum[of_part] = weights;
                }
#pragma unroll
                for (int j = 0; j < DV / 8; j++) {
                    int c = 8 * j + lane % 4 * 2;
                    if (c >= a.dv) continue;
                    float y0 = o[m][j][2 * r] * by, y1 = o[m][j][2 * r + 1] * by;
                    if (narrow) {
                        *(unsigned *)((half_bits *)a.y + to + c) = Half::pack(y0, y1);
                    } else if (a.vectors) {
                        *(float2 *)(y + c) = make_float2(y0, y1);
                    } else {
                        y[c] = y0;
                        if (c + 1 < a.dv) y[c + 1] = y1;
                    }
                }
            }
    }

    // The same for whole results in 16 bits, by way of 16 rows of DV + 8 elements in shared memory that are the warp's, so
    // that rows are written in vectors.
    __device__ __forceinline__ void end_in_vectors(const attend_args &a, const attend_place &at, int q0, half_bits *own) const {
        int lane = threadIdx.x % 32;
#pragma unroll
        for (int m = 0; m < M; m++) {
            __syncwarp();
#pragma unroll
            for (int r = 0; r < 2; r++) {
                float by = 1.0f / all(m, r);
#pragma unroll
                for (int j = 0; j < DV / 8; j++)
                    *(unsigned *)(own + (lane / 4 + 8 * r) * V_ROW + 8 * j + lane % 4 * 2) = Half::pack(o[m][j][2 * r] * by, o[m][j][2 * r + 1] * by);
            }
            __syncwarp();
            int mine = query_row(a, at, q0 + 16 * m + lane % 16);
#pragma unroll
            for (int i = lane; i < 2 * DV; i += 32) {
                int line = i / (DV / 8), c = i % (DV / 8) * 8, row = __shfl_sync(FULL, mine, line);
                if (row >= 0 && c < a.dv) *(uint4 *)((half_bits *)a.y + (size_t)row * a.ldy + at.head * a.dv + c) = *(const uint4 *)(own + line * V_ROW + c);
            }
        }
    }
};

static constexpr float LOG2_E = 1.44269504f, SLACK = 8; // of the lazy softmax, as a power of 2

// As a product; finite, whatever the scale.
static __device__ inline float slack_of(float unit) { return fminf(SLACK / unit, 1e38f); }

// A head of queries, keys or values, as rows of a map.
struct attend_source {
    const void *x;
    int type, ld, d; // of a row: elements to the next, channels
    const float *pad;
    int below; // elements to the row below, where the largest of 2x2 rows is meant; else 0
};
enum { ROW_NONE = -1, ROW_PAD = -2 }; // instead of a row: zeros, the pad

// Eight channels of a row as factors, of which those from left on are zeros.
template <class Half> static __device__ __forceinline__ uint4 attend_eight(const void *x, size_t at, int left, int type, bool vectors) {
    if (type != FACTORS_F32) return *(const uint4 *)((const half_bits *)x + at);
    const float *f = (const float *)x + at;
    float v[8];
    if (vectors) {
        float4 lo = *(const float4 *)f, hi = left > 4 ? *(const float4 *)(f + 4) : make_float4(0, 0, 0, 0);
        v[0] = lo.x, v[1] = lo.y, v[2] = lo.z, v[3] = lo.w, v[4] = hi.x, v[5] = hi.y, v[6] = hi.z, v[7] = hi.w;
    } else {
#pragma unroll
        for (int j = 0; j < 8; j++) v[j] = j < left ? f[j] : 0.0f;
    }
    return make_uint4(Half::pack(v[0], v[1]), Half::pack(v[2], v[3]), Half::pack(v[4], v[5]), Half::pack(v[6], v[7]));
}
template <class Half> static __device__ __forceinline__ uint4 attend_larger(uint4 a, uint4 b) {
    return make_uint4(Half::larger(a.x, b.x), Half::larger(a.y, b.y), Half::larger(a.z, b.z), Half::larger(a.w, b.w));
}

// Brings n rows to shared memory, of each W channels behind the first from, by the threads of a group. What is in 16 bits
// already is queued for an asynchronous copy. row says which row of the source goes to a line.
template <class Half, int W, class Row> static __device__ __forceinline__ void attend_gather(half_bits *to, const attend_source &x, int from, int n, int thread, int threads, bool vectors, Row row) {
    if (x.type != FACTORS_F32 && !x.below) {
#pragma unroll 2
        for (int i = thread; i < n * (W / 8); i += threads) {
            int line = i / (W / 8), c = from + i % (W / 8) * 8, r = row(line);
            half_bits *p = to + line * (W + 8) + c - from;
            bool in = r >= 0 && c < x.d;
            if (r == ROW_PAD && c < x.d) *(uint4 *)p = attend_eight<Half>(x.pad, c, x.d - c, FACTORS_F32, vectors);
            else copy_async(p, (const half_bits *)x.x + (in ? (size_t)r * x.ld + c : 0), in ? 16 : 0);
        }
        return;
    }
#pragma unroll 2
    for (int i = thread; i < n * (W / 8); i += threads) {
        int line = i / (W / 8), c = from + i % (W / 8) * 8, r = row(line), left = x.d - c;
        uint4 v = make_uint4(0, 0, 0, 0);
        if (r != ROW_NONE && left > 0) {
            bool pad = r == ROW_PAD;
            size_t at = pad ? c : (size_t)r * x.ld + c;
            v = attend_eight<Half>(pad ? x.pad : x.x, at, left, pad ? (int)FACTORS_F32 : x.type, vectors);
            if (x.below)
#pragma unroll 1
                for (int j = 1; j < 4; j++) v = attend_larger<Half>(v, attend_eight<Half>(x.x, at + j % 2 * x.ld + j / 2 * x.below, left, x.type, vectors));
        }
        *(uint4 *)(to + line * (W + 8) + c - from) = v;
    }
}

static __device__ inline const void *attend_head(const void *x, int type, int at) {
    return type == FACTORS_F32 ? (const void *)((const float *)x + at) : (const void *)((const half_bits *)x + at);
}
static __device__ inline attend_source queries_of(const attend_args &a, int head) {
    return {attend_head(a.q, a.q_type, head * a.d), a.q_type, a.ldq, a.d, nullptr, a.pool ? 2 * a.qw * a.ldq : 0};
}

// Keys and values as they are, rows of a map: for windows, and where few queries read them. A problem has 1 to 4 warps of 16
// queries, a block 4 warps if problems are many. Tiles of 64 keys.
template <class Half, int D> static __device__ __forceinline__ void attend_direct(const attend_args &a) { // (row blocks of all groups of problems, parts)
    const int ROW = D + 8;
    int threads = 32 * a.warps, groups = blockDim.x / threads, group = threadIdx.x / threads, thread = threadIdx.x % threads;
    int queries = 16 * a.warps, area = (2 * a.tile + queries) * ROW;
    half_bits *k = (half_bits *)shared_memory() + group * area, *v = k + a.tile * ROW, *q = v + a.tile * ROW;
    int *rows_q = (int *)((half_bits *)shared_memory() + groups * area) + group * (queries + 128), *rows_k = rows_q + queries; // [2][64]

    int blocks = ceil_div(a.nq, queries), problem = blockIdx.x / blocks * groups + group, q0 = blockIdx.x % blocks * queries;
    bool spare = problem >= a.problems; // of the last block: does what the last problem does, but for the result
    if (spare) problem = a.problems - 1;
    attend_place at = attend_at(a, problem);
    attend_tiles tiles = part_of(a, 64, blockIdx.y);
    auto find = [&](int t) { // the rows of the keys of a tile
        for (int i = thread; i < a.tile; i += threads) {
            int row = key_row(a, at, 64 * t + i);
            rows_k[t % 2 * 64 + i] = 64 * t + i >= a.nk ? ROW_NONE : row < 0 ? ROW_PAD : row;
        }
    };
    for (int i = thread; i < queries; i += threads) {
        int row = query_row(a, at, q0 + i);
        rows_q[i] = row < 0 ? ROW_NONE : query_source(a, row);
    }
    find(tiles.first);
    __syncthreads();

    attend_source keys = {attend_head(a.k, a.k_type, at.head * a.d), a.k_type, a.ldk, a.d, a.pad_k + at.head * a.d, 0};
    attend_source values = {attend_head(a.v, a.v_type, at.head * a.dv), a.v_type, a.ldv, a.dv, a.pad_v + at.head * a.dv, 0};
    attend_gather<Half, D>(q, queries_of(a, at.head), 0, queries, thread, threads, a.vectors, [&](int i) { return rows_q[i]; });
    half_bits *own = q + thread / 32 * 16 * ROW;
    attend_warp<Half, D, D, 64, 1, 0> w;
    w.begin(nullptr);
    float unit = a.scale * LOG2_E, slack = slack_of(unit);
    for (int t = tiles.first; t < tiles.end; t++) {
        int n = least(a.nk - 64 * t, 64), lines = ceil_div(n, 16) * 16;
        const int *rows = rows_k + t % 2 * 64;
        auto row = [&](int i) { return rows[i]; };
#pragma unroll 1
        for (int z = 0; z < 2; z++) attend_gather<Half, D>(z ? v : k, z ? values : keys, 0, lines, thread, threads, a.vectors, row);
        copy_commit();
        if (t + 1 < tiles.end) find(t + 1);
        copy_wait<0>();
        __syncthreads(); // the tile is here
        w.template score<true>(k, own, n);
        w.template weigh<true>(n, unit, slack);
        w.template spread<true>(v, n);
        if (t + 1 < tiles.end) __syncthreads(); // it is done with
    }
    if (spare) return;
    q0 += thread / 32 * 16;
    if (a.parts == 1 && a.y_type != FACTORS_F32) w.end_in_vectors(a, at, q0, own);
    else w.end(a, at, problem, blockIdx.y, q0);
}

// Keys and values in 16 bits, of the kernel's widths, for many queries of whole maps. Tiles are in two buffers: while one is
// worked on the next arrives.

// Queues the copy of the tile whose first row is row0; rows behind the last become zeros. A thread has one vector of every so
// many rows.
template <int D, int KEYS, int THREADS> static __device__ __forceinline__ void attend_fetch(half_bits *to, const half_bits *x, int ld, int row0, int rows) {
    const int LINES = THREADS / (D / 8);
    int line = threadIdx.x / (D / 8), c = threadIdx.x % (D / 8) * 8;
    if (THREADS % (D / 8) && line >= LINES) return;
    const half_bits *from = x + (size_t)(row0 + line) * ld + c;
    to += line * (D + 8) + c;
#pragma unroll
    for (int j = 0; j < KEYS; j += LINES, from += LINES * ld) {
        if (KEYS % LINES && j + line >= KEYS) break;
        bool in = row0 + line + j < rows;
        copy_async(to + j * (D + 8), in ? from : x, in ? 16 : 0);
    }
}

template <class Half, int D, int DV, int KEYS, int M, int HELD, int WARPS> static __device__ __forceinline__ void attend_flash(const attend_args &a) { // (row blocks of all problems, parts)
    typedef attend_warp<Half, D, DV, KEYS, M, HELD> warp;
    const int K_TILE = KEYS * warp::K_ROW, V_TILE = KEYS * warp::V_ROW, THREADS = 32 * WARPS, QUERIES = 16 * M * WARPS;
    half_bits *k = (half_bits *)shared_memory(), *v = k + 2 * K_TILE, *rest = v + 2 * V_TILE;
    static_assert(QUERIES * warp::HELD_ROW <= 2 * (K_TILE + V_TILE), "the queries that are held do not fit");
    int blocks = ceil_div(a.nq, QUERIES), problem = blockIdx.x / blocks, q0 = blockIdx.x % blocks * QUERIES;
    attend_place at = attend_at(a, problem);

    // The queries that registers hold come by way of the tiles' memory.
    int own = threadIdx.x / 32 * 16 * M;
    auto row = [&](int i) { return q0 + i < a.nq ? query_source(a, at.map * a.nq + q0 + i) : ROW_NONE; };
    attend_source queries = queries_of(a, at.head);
    warp w;
    attend_gather<Half, 16 * HELD>(k, queries, 0, QUERIES, threadIdx.x, THREADS, a.vectors, row);
    if constexpr (warp::REST > 0) attend_gather<Half, 16 * warp::REST>(rest, queries, 16 * HELD, QUERIES, threadIdx.x, THREADS, a.vectors, row);
    copy_commit();
    copy_wait<0>();
    __syncthreads();
    w.begin(k + own * warp::HELD_ROW);
    rest += own * warp::REST_ROW;
    __syncthreads();

    const half_bits *keys = a.half_k + (size_t)at.map * a.nk * a.ld_half_k + at.head * D, *values = a.half_v + (size_t)at.map * a.nk * a.ld_half_v + at.head * DV;
    attend_tiles tiles = part_of(a, KEYS, blockIdx.y);
    auto fetch = [&](int t, int buffer) {
        attend_fetch<D, KEYS, THREADS>(k + buffer * K_TILE, keys, a.ld_half_k, t * KEYS, a.nk);
        attend_fetch<DV, KEYS, THREADS>(v + buffer * V_TILE, values, a.ld_half_v, t * KEYS, a.nk);
        copy_commit();
    };
    float unit = a.scale * LOG2_E, slack = slack_of(unit);
    int buffer = 0;
    fetch(tiles.first, 0);
#pragma unroll 1
    for (int t = tiles.first; t < tiles.end; t++, buffer ^= 1) {
        int n = least(a.nk - KEYS * t, KEYS);
        copy_wait<0>();
        __syncthreads(); // the tile is here, and the one before it done with
        if (t + 1 < tiles.end) fetch(t + 1, buffer ^ 1);
        w.template score<false>(k + buffer * K_TILE, rest, n);
        w.template weigh<false>(n, unit, slack);
        w.template spread<false>(v + buffer * V_TILE, n);
    }
    w.end(a, at, problem, blockIdx.y, q0 + own);
}

// The kernels by widths. attention.go has the same list.

#define DIRECT(name, Half, D, BLOCKS)       \
    typedef attend_args name##_args;        \
    KERNEL_BOUNDS(name, 128, BLOCKS) { attend_direct<Half, D>(args); }
#define FLASH(name, Half, D, DV, KEYS, M, HELD, WARPS, BLOCKS) \
    typedef attend_args name##_args;                           \
    KERNEL_BOUNDS(name, 32 * WARPS, BLOCKS) { attend_flash<Half, D, DV, KEYS, M, HELD, WARPS>(args); }
#define BOTH(KIND, name, ...)              \
    KIND(name##_bf16, bf16, __VA_ARGS__)   \
    KIND(name##_f16, f16, __VA_ARGS__)

BOTH(DIRECT, direct_16, 16, 4)
BOTH(DIRECT, direct_32, 32, 4)
BOTH(DIRECT, direct_64, 64, 4)
BOTH(DIRECT, direct_80, 80, 4)
BOTH(DIRECT, direct_96, 96, 4)
BOTH(DIRECT, direct_128, 128, 3)
BOTH(FLASH, flash_64_64, 64, 64, 64, 2, 4, 4, 2)
BOTH(FLASH, flash_80_80, 80, 80, 64, 2, 4, 4, 2)
BOTH(FLASH, flash_96_96, 96, 96, 48, 2, 4, 4, 2)
BOTH(FLASH, flash_256_64, 256, 64, 64, 2, 8, 8, 1)
BOTH(FLASH, flash_256_256, 256, 256, 48, 1, 12, 8, 1)

// Copies keys and values to 16 bits, [maps, nk, heads * n] to [maps, nk, heads * width], with zeros behind a head. A thread
// makes eight elements. What is in 16 bits already only gets another width.
struct attend_halve_args {
    const void *x[2];
    half_bits *y[2];
    int ld[2], n[2], width[2], type[2];
    int nk, heads;
    int f16, vectors;
};

template <class Half> static __device__ __forceinline__ void attend_halve_some(const attend_halve_args &args, int z) {
    const void *x = z ? args.x[1] : args.x[0];
    half_bits *y = z ? args.y[1] : args.y[0];
    int ld = z ? args.ld[1] : args.ld[0], n = z ? args.n[1] : args.n[0], width = z ? args.width[1] : args.width[0], type = z ? args.type[1] : args.type[0];
    int i = blockIdx.x * blockDim.x + threadIdx.x, line = i / (width / 8), c = i % (width / 8) * 8;
    if (line >= args.nk) return;
    int map = blockIdx.y / args.heads, head = blockIdx.y % args.heads;
    size_t row = (size_t)map * args.nk + line;
    uint4 v = make_uint4(0, 0, 0, 0);
    if (c < n) v = attend_eight<Half>(x, row * ld + head * n + c, n - c, type, args.vectors);
    *(uint4 *)(y + (row * args.heads + head) * width + c) = v;
}

KERNEL(attend_halve) { // (elements of a problem, problems, keys and values)
    if (args.f16) attend_halve_some<f16>(args, blockIdx.z);
    else attend_halve_some<bf16>(args, blockIdx.z);
}

// The keys of a rotary attention on the tensor cores: 64 rows in 4 warps, 64 channels.
template <class Half> static __device__ __forceinline__ void rotary_keys(const rotary_keys_args &a) { // (rows, channels)
    const int ROW = 64 + 8;
    half_bits *xs = (half_bits *)shared_memory(), *ws = xs + 64 * ROW;
    int lane = threadIdx.x % 32, row0 = blockIdx.x * 64, col0 = blockIdx.y * 64, own = threadIdx.x / 32 * 16;
    attend_source x = {a.x, a.type, a.m, a.m, nullptr, 0}, weights = {a.w, FACTORS_F32, a.m, a.m, nullptr, 0};
    float s[8][4] = {};
    for (int k = 0; k < a.m; k += 64) {
        __syncthreads();
        attend_gather<Half, 64>(xs, x, k, 64, threadIdx.x, 128, a.vectors, [&](int i) { return row0 + i < a.n ? row0 + i : ROW_NONE; });
        attend_gather<Half, 64>(ws, weights, k, 64, threadIdx.x, 128, a.vectors, [&](int i) { return col0 + i < a.d ? col0 + i : ROW_NONE; });
        copy_commit();
        copy_wait<0>();
        __syncthreads();
#pragma unroll
        for (int c = 0; c < 64; c += 16) {
            unsigned f[4];
            load_matrix4(f, xs + (own + lane % 16) * ROW + c + lane / 16 * 8);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                unsigned b[4];
                load_matrix4(b, ws + (16 * j + lane / 16 * 8 + lane % 8) * ROW + c + lane / 8 % 2 * 8);
                Half::mma(s[2 * j], f, b[0], b[1]);
                Half::mma(s[2 * j + 1], f, b[2], b[3]);
            }
        }
    }
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            int row = row0 + own + lane / 4 + 8 * r, c = col0 + 8 * j + lane % 4 * 2;
            if (row >= a.n || c >= a.width) continue;
            float v0 = 0, v1 = 0;
            if (c < a.d) {
                v0 = s[j][2 * r] + a.bias[c], v1 = s[j][2 * r + 1] + a.bias[c + 1];
                rotary_turn(a, row, c, v0, v1);
            }
            *(unsigned *)((half_bits *)a.y + (size_t)row * a.width + c) = Half::pack(v0, v1);
        }
}

typedef rotary_keys_args rotary_keys_bf16_args;
typedef rotary_keys_args rotary_keys_f16_args;
KERNEL_BOUNDS(rotary_keys_bf16, 128, 1) { rotary_keys<bf16>(args); }
KERNEL_BOUNDS(rotary_keys_f16, 128, 1) { rotary_keys<f16>(args); }

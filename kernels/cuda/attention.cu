// Attention: y = softmax(scale q k') v for each window and head, with a streaming softmax over tiles of keys, so that no
// more scores exist at once than those of a block's queries against one tile.
//
// The three ops are one here. Queries, keys and values are rows of maps that are cut into windows; plain attention is a
// map of one row of pixels with one window. A problem is a head of a window. A block takes some queries of one problem
// and either all of its keys or a part of them: where the queries alone make too few blocks to fill the GPU, each part
// leaves its weighted sum, its largest score and its sum of weights in memory, and attend_join makes one result of them.
//
// This file has the float32 kernels and what they share with those of flash.cu, which multiply on the tensor cores.

// What an operand is made of.
enum { FACTORS_F32, FACTORS_BF16, FACTORS_F16 };

struct attend_args {
    const void *q, *k, *v;               // row 0, head 0
    const float *pad_k, *pad_v;          // key and value of a token beyond the map
    const half_bits *half_k, *half_v;    // flash.cu: in 16 bits, of the kernel's width: a copy, or k and v themselves
    void *y;
    float *part_y, *part_top, *part_sum; // of parts: [problems, parts, nq, dv], and [problems, parts, nq] twice
    int q_type, k_type, v_type, y_type;  // FACTORS_
    int ldq, ldk, ldv, ldy;              // elements from row to row
    int ld_half_k, ld_half_v;
    int heads, d, dv;
    int nq, nk;                          // of a window
    int qh, qw, kh, kw;                  // the map as queries, after pooling, and as keys
    int wqh, wqw, wkh, wkw;              // the window likewise
    int down, across;                    // windows of a map
    int pool;                            // whether a query is the maximum of 2x2 rows of q
    int parts;
    float scale;
    int vectors;                         // whether rows of floats can be read and written four at a time
    int problems, warps, tile;           // direct kernels: warps of a problem, rows in shared memory of a tile of keys
};

// An element of an operand.
static __device__ inline float factor_at(const void *x, size_t i, int type) {
    if (type == FACTORS_F32) return ((const float *)x)[i];
    half_bits h = ((const half_bits *)x)[i];
    return type == FACTORS_BF16 ? from_bf16(h) : from_f16(h);
}
static __device__ inline void factor_to(void *y, size_t i, int type, float v) {
    if (type == FACTORS_F32) ((float *)y)[i] = v;
    else ((half_bits *)y)[i] = type == FACTORS_BF16 ? to_bf16(v) : to_f16(v);
}

static __device__ inline float minus_infinity() { return __uint_as_float(0xff800000u); }

// Where a problem lies.
struct attend_place {
    int head, map, y, x; // the window's row and column among the windows of its map
};

static __device__ inline attend_place attend_at(const attend_args &a, int problem) {
    int window = problem / a.heads, of_map = a.down * a.across, in_map = window % of_map;
    return {problem % a.heads, window / of_map, in_map / a.across, in_map % a.across};
}

// The row of a window's key or query, -1 beyond the map.
static __device__ inline int key_row(const attend_args &a, const attend_place &at, int i) {
    int y = at.y * a.wkh + i / a.wkw, x = at.x * a.wkw + i % a.wkw;
    return i < a.nk && y < a.kh && x < a.kw ? (at.map * a.kh + y) * a.kw + x : -1;
}
static __device__ inline int query_row(const attend_args &a, const attend_place &at, int i) {
    int y = at.y * a.wqh + i / a.wqw, x = at.x * a.wqw + i % a.wqw;
    return i < a.nq && y < a.qh && x < a.qw ? (at.map * a.qh + y) * a.qw + x : -1;
}

// The row of q that a query is, the upper left of four where they are pooled.
static __device__ inline int query_source(const attend_args &a, int row) {
    return a.pool ? row / a.qw * 4 * a.qw + row % a.qw * 2 : row;
}

// The tiles of keys that a part takes.
struct attend_tiles {
    int first, end;
};

static __device__ inline attend_tiles part_of(const attend_args &a, int tile, int part) {
    int tiles = ceil_div(a.nk, tile);
    return {tiles * part / a.parts, tiles * (part + 1) / a.parts};
}

// Float32: 64 queries and tiles of 64 keys. Of the tile of scores a thread has 4x4, rows 4 ty + i and columns tx + 16 j, and
// of 256 columns of the result 4x16 likewise. Rows of queries, keys and values pass through shared memory in pieces.
enum { ATTEND_ROWS = 64, ATTEND_PIECE = 32 };

// A row of an operand, or none. Where NARROW is not set, all operands are float32.
template <bool NARROW> struct attend_line {
    const void *x;
    int type;
    __device__ inline float operator[](size_t c) const { return NARROW ? factor_at(x, c, type) : ((const float *)x)[c]; }
};
template <bool NARROW> static __device__ inline attend_line<NARROW> line_at(const void *x, size_t at, int type) {
    if (NARROW && type != FACTORS_F32) return {(const half_bits *)x + at, type};
    return {(const float *)x + at, FACTORS_F32};
}

// Channel c of a query.
template <bool NARROW> static __device__ inline float query_value(const attend_args &a, const attend_line<NARROW> &q, int c) {
    if (!a.pool) return q[c];
    size_t below = (size_t)2 * a.qw * a.ldq + c;
    return fmaxf(fmaxf(q[c], q[c + a.ldq]), fmaxf(q[below], q[below + a.ldq]));
}

template <bool NARROW> static __device__ __forceinline__ void attend_plainly(const attend_args &args) { // (row blocks of all problems, parts, 256 columns of the values)
    float *qs = (float *)shared_memory(), *ks = qs + ATTEND_ROWS * (ATTEND_PIECE + 1); // [64][33]
    float *vs = qs;                                                       // [64][65], when qs and ks are done with
    float *ps = ks + ATTEND_ROWS * (ATTEND_PIECE + 1);                                 // [64][65]
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    int line = threadIdx.x / 4, from = threadIdx.x % 4; // what the thread reads: every fourth channel of a row
    int blocks = ceil_div(args.nq, ATTEND_ROWS), problem = blockIdx.x / blocks, q0 = blockIdx.x % blocks * ATTEND_ROWS;
    int col0 = blockIdx.z * 256, cols = least(args.dv - col0, 256);
    attend_place at = attend_at(args, problem);
    int query = query_row(args, at, q0 + line);
    attend_line<NARROW> q = {};
    if (query >= 0) q = line_at<NARROW>(args.q, (size_t)query_source(args, query) * args.ldq + at.head * args.d, args.q_type);

    float o[4][16] = {}, top[4], sum[4] = {};
    for (int i = 0; i < 4; i++) top[i] = minus_infinity();
    attend_tiles tiles = part_of(args, ATTEND_ROWS, blockIdx.y);
    for (int t = tiles.first; t < tiles.end; t++) {
        int n = least(args.nk - t * ATTEND_ROWS, (int)ATTEND_ROWS);
        attend_line<NARROW> k = {}, v = {};
        if (line < n) {
            int row = key_row(args, at, t * ATTEND_ROWS + line), of_k = at.head * args.d, of_v = at.head * args.dv + col0;
            k = row < 0 ? line_at<NARROW>(args.pad_k, of_k, FACTORS_F32) : line_at<NARROW>(args.k, (size_t)row * args.ldk + of_k, args.k_type);
            v = row < 0 ? line_at<NARROW>(args.pad_v, of_v, FACTORS_F32) : line_at<NARROW>(args.v, (size_t)row * args.ldv + of_v, args.v_type);
        }
        float s[4][4] = {};
        for (int c = 0; c < args.d; c += ATTEND_PIECE) {
            int some = least(args.d - c, (int)ATTEND_PIECE);
            __syncthreads();
#pragma unroll
            for (int i = 0; i < ATTEND_PIECE; i += 4) {
                bool in = from + i < some;
                qs[line * (ATTEND_PIECE + 1) + from + i] = q.x && in ? query_value(args, q, c + from + i) : 0.0f;
                ks[line * (ATTEND_PIECE + 1) + from + i] = k.x && in ? k[c + from + i] : 0.0f;
            }
            __syncthreads();
            for (int x = 0; x < some; x++) {
                float a[4], b[4];
#pragma unroll
                for (int i = 0; i < 4; i++) a[i] = qs[(4 * ty + i) * (ATTEND_PIECE + 1) + x], b[i] = ks[(tx + 16 * i) * (ATTEND_PIECE + 1) + x];
#pragma unroll
                for (int i = 0; i < 4; i++)
#pragma unroll
                    for (int j = 0; j < 4; j++) s[i][j] = fmaf(a[i], b[j], s[i][j]);
            }
        }
        // The 16 lanes of a row of scores find its largest; each keeps the sum of its own weights.
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float most_now = top[i];
#pragma unroll
            for (int j = 0; j < 4; j++) {
                s[i][j] = tx + 16 * j < n ? args.scale * s[i][j] : minus_infinity();
                most_now = fmaxf(most_now, s[i][j]);
            }
            for (int by = 8; by > 0; by /= 2) most_now = fmaxf(most_now, __shfl_xor_sync(FULL, most_now, by));
            float shrink = expf(top[i] - most_now), added = 0;
            top[i] = most_now;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                float p = expf(s[i][j] - most_now);
                ps[(4 * ty + i) * (ATTEND_ROWS + 1) + tx + 16 * j] = p;
                added += p;
            }
            sum[i] = sum[i] * shrink + added;
#pragma unroll
            for (int j = 0; j < 16; j++) o[i][j] *= shrink;
        }
#pragma unroll
        for (int g = 0; g < 4; g++) {
            if (64 * g >= cols) continue;
            __syncthreads();
            for (int i = 0; i < 64; i += 4) {
                int c = 64 * g + from + i;
                vs[line * (ATTEND_ROWS + 1) + from + i] = v.x && c < cols ? v[c] : 0.0f;
            }
            __syncthreads();
            for (int x = 0; x < n; x++) {
                float a[4], b[4];
#pragma unroll
                for (int i = 0; i < 4; i++) a[i] = ps[(4 * ty + i) * (ATTEND_ROWS + 1) + x], b[i] = vs[x * (ATTEND_ROWS + 1) + tx + 16 * i];
#pragma unroll
                for (int i = 0; i < 4; i++)
#pragma unroll
                    for (int j = 0; j < 4; j++) o[i][4 * g + j] = fmaf(a[i], b[j], o[i][4 * g + j]);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        for (int by = 8; by > 0; by /= 2) sum[i] += __shfl_xor_sync(FULL, sum[i], by);
        int query = q0 + 4 * ty + i, row = query_row(args, at, query);
        if (row < 0) continue;
        void *y = args.y;
        int type = NARROW ? args.y_type : FACTORS_F32;
        size_t first = (size_t)row * args.ldy + at.head * args.dv + col0;
        float by = 1.0f / sum[i];
        if (args.parts > 1) {
            size_t to = ((size_t)problem * args.parts + blockIdx.y) * args.nq + query;
            y = args.part_y, type = FACTORS_F32, first = to * args.dv + col0, by = 1.0f;
            if (tx == 0 && col0 == 0) args.part_top[to] = top[i], args.part_sum[to] = sum[i];
        }
#pragma unroll
        for (int j = 0; j < 16; j++) {
            int c = 64 * (j / 4) + tx + 16 * (j % 4);
            if (c < cols) factor_to(y, first + c, type, o[i][j] * by);
        }
    }
}

typedef attend_args attend_exact_args;
typedef attend_args attend_exact_narrow_args;
KERNEL_BOUNDS(attend_exact, 256, 2) { attend_plainly<false>(args); }
KERNEL_BOUNDS(attend_exact_narrow, 256, 2) { attend_plainly<true>(args); }

// Joins the parts of problems that are whole maps: each counts by how far its largest score lies below that of all. A
// thread makes some neighbouring elements of the result, 4 or 1.
struct attend_join_args {
    const float *y, *top, *sum; // as in attend_args
    void *to;                   // [maps * nq, heads * dv]
    int problems, parts, nq, heads, dv, wide, type;
};

template <int WIDE> static __device__ __forceinline__ void attend_join_some(const attend_join_args &args, int i) {
    int c = i % (args.dv / WIDE) * WIDE, row = i / (args.dv / WIDE), query = row % args.nq, problem = row / args.nq;
    if (problem >= args.problems) return;
    size_t first = (size_t)problem * args.parts * args.nq + query;
    float top = minus_infinity(), sum = 0, y[WIDE] = {};
    for (int p = 0; p < args.parts; p++) top = fmaxf(top, args.top[first + (size_t)p * args.nq]);
    for (int p = 0; p < args.parts; p++) {
        size_t at = first + (size_t)p * args.nq;
        float weight = expf(args.top[at] - top);
        sum += weight * args.sum[at];
        if constexpr (WIDE == 4) {
            float4 v = *(const float4 *)(args.y + at * args.dv + c);
            y[0] += weight * v.x, y[1] += weight * v.y, y[2] += weight * v.z, y[3] += weight * v.w;
        } else {
            y[0] += weight * args.y[at * args.dv + c];
        }
    }
    size_t out = (((size_t)(problem / args.heads) * args.nq + query) * args.heads + problem % args.heads) * args.dv + c;
#pragma unroll
    for (int j = 0; j < WIDE; j++) y[j] /= sum;
    if constexpr (WIDE == 4) {
        if (args.type == FACTORS_F32) *(float4 *)((float *)args.to + out) = make_float4(y[0], y[1], y[2], y[3]);
        else if (args.type == FACTORS_BF16) *(uint2 *)((half_bits *)args.to + out) = make_uint2(bf16::pack(y[0], y[1]), bf16::pack(y[2], y[3]));
        else *(uint2 *)((half_bits *)args.to + out) = make_uint2(f16::pack(y[0], y[1]), f16::pack(y[2], y[3]));
    } else {
        factor_to(args.to, out, args.type, y[0]);
    }
}

KERNEL(attend_join) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (args.wide == 4) attend_join_some<4>(args, i);
    else attend_join_some<1>(args, i);
}

// The keys of a rotary attention: rows of x w' + bias, of which those of maps turn. Channels 2j and 2j+1 turn by an angle of
// the pixel's column in the first half, of its row in the second.
struct rotary_keys_args {
    const void *x;
    const float *w, *bias, *cos, *sin;
    void *y; // [n, width] floats or 16-bit elements
    int n, m, d, width, side, turning; // turning: rows that turn
    int type, vectors;                 // of x; whether rows of x and w can be read four at a time
};

// Turns channels c and c + 1 of a row.
static __device__ inline void rotary_turn(const rotary_keys_args &a, int row, int c, float &v0, float &v1) {
    if (row >= a.turning) return;
    int quarter = a.d / 4, j = c / 2, place = row % a.side;
    if (j >= quarter) place = row / a.side % a.side, j -= quarter;
    float cos = a.cos[place * quarter + j], sin = a.sin[place * quarter + j], was = v0;
    v0 = was * cos - v1 * sin;
    v1 = was * sin + v1 * cos;
}

// Float32: 64 rows and 64 channels. A thread makes rows 4 ty + i and channels 2 tx, 2 tx + 1 and 32 behind them.
typedef rotary_keys_args rotary_keys_exact_args;

KERNEL_BOUNDS(rotary_keys_exact, 256, 1) { // (rows, channels)
    float *xs = (float *)shared_memory(), *ws = xs + ATTEND_ROWS * (ATTEND_PIECE + 1);
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16, line = threadIdx.x / 4, from = threadIdx.x % 4;
    int row0 = blockIdx.x * ATTEND_ROWS, col0 = blockIdx.y * ATTEND_ROWS;
    float s[4][4] = {};
    for (int c = 0; c < args.m; c += ATTEND_PIECE) {
        int some = least(args.m - c, (int)ATTEND_PIECE);
        __syncthreads();
        for (int i = from; i < some; i += 4) {
            xs[line * (ATTEND_PIECE + 1) + i] = row0 + line < args.n ? factor_at(args.x, (size_t)(row0 + line) * args.m + c + i, args.type) : 0.0f;
            ws[line * (ATTEND_PIECE + 1) + i] = col0 + line < args.d ? args.w[(size_t)(col0 + line) * args.m + c + i] : 0.0f;
        }
        __syncthreads();
        for (int x = 0; x < some; x++) {
            float a[4], b[4];
#pragma unroll
            for (int i = 0; i < 4; i++) a[i] = xs[(4 * ty + i) * (ATTEND_PIECE + 1) + x], b[i] = ws[(2 * tx + i % 2 + i / 2 * 32) * (ATTEND_PIECE + 1) + x];
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) s[i][j] = fmaf(a[i], b[j], s[i][j]);
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int row = row0 + 4 * ty + i;
#pragma unroll
        for (int j = 0; j < 4; j += 2) {
            int c = col0 + 2 * tx + 16 * j;
            if (row >= args.n || c >= args.d) continue;
            float v0 = s[i][j] + args.bias[c], v1 = s[i][j + 1] + args.bias[c + 1];
            rotary_turn(args, row, c, v0, v1);
            float *y = (float *)args.y + (size_t)row * args.width + c;
            y[0] = v0, y[1] = v1;
        }
    }
}

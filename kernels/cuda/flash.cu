// Attention on the tensor cores: queries, keys, values and weights are 16-bit factors, scores and sums float32.
//
// A warp has M tiles of 16 queries. It multiplies them with a tile of keys in shared memory, in fragments of mma.m16n8k16;
// the scores, as powers of 2, become weights in the registers where they are, which serve as the left factor of the
// product with the tile of values. So a lane has, of each of its 8-column pieces, two columns of two rows, 8 apart, and a
// row lies in four lanes.
//
// Widths are rounded up to what the kernel is made for, with zeros. Rows in shared memory are 16 bytes longer than their
// elements, so that the eight rows of a matrix of ldmatrix lie in different banks.

template <class Half, int D, int DV, int KEYS, int M> struct attend_warp {
    static constexpr bool HELD = M * D <= 128; // whether the queries are in registers
    static constexpr int STEPS = D <= 128 ? D / 16 : 4; // of the loop over channels that are written out
    static constexpr int K_ROW = D + 8, V_ROW = DV + 8;

    unsigned q[HELD ? M : 1][HELD ? D / 16 : 1][4];
    uint4 *stored;                // else in shared memory, [M][D/16][threads], of which each thread uses its own
    const half_bits *k_at, *v_at; // where this lane points ldmatrix to in the first matrices of the tiles
    float s[M][KEYS / 8][4], o[M][DV / 8][4];
    float top[M][2], sum[M][2]; // by row; the sum is this lane's

    // Reads queries from q0 on. keys and values are the tiles in shared memory.
    __device__ __forceinline__ void begin(const attend_args &a, const attend_place &at, int q0, const half_bits *keys, const half_bits *values, uint4 *queries) {
        int lane = threadIdx.x % 32;
        stored = queries + threadIdx.x;
        k_at = keys + (lane / 16 * 8 + lane % 8) * K_ROW + lane / 8 % 2 * 8;
        v_at = values + (lane / 8 % 2 * 8 + lane % 8) * V_ROW + lane / 16 * 8;
#pragma unroll 1
        for (int m = 0; m < M; m++) {
            const float *row[2];
            for (int r = 0; r < 2; r++) row[r] = query_at(a, query_row(a, at, q0 + 16 * m + lane / 4 + 8 * r), at.head);
#pragma unroll 1
            for (int c = 0; c < D; c += 16) {
                unsigned f[4];
                for (int i = 0; i < 4; i++) f[i] = pair(a, row[i % 2], c + i / 2 * 8 + lane % 4 * 2);
                stored[(m * (D / 16) + c / 16) * blockDim.x] = make_uint4(f[0], f[1], f[2], f[3]);
            }
        }
#pragma unroll
        for (int m = 0; m < M; m++) {
            if constexpr (HELD) {
#pragma unroll
                for (int c = 0; c < D / 16; c++) fragment(q[m][c], m, c);
            }
#pragma unroll
            for (int r = 0; r < 2; r++) top[m][r] = minus_infinity(), sum[m][r] = 0;
#pragma unroll
            for (int j = 0; j < DV / 8; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) o[m][j][i] = 0;
        }
    }

    // The queries' fragment of 16 channels, as this thread stored it.
    __device__ __forceinline__ void fragment(unsigned (&f)[4], int m, int c) const {
        uint4 v = stored[(m * (D / 16) + c) * blockDim.x];
        f[0] = v.x, f[1] = v.y, f[2] = v.z, f[3] = v.w;
    }

    // Channels c and c + 1 of a query.
    static __device__ __forceinline__ unsigned pair(const attend_args &a, const float *q, int c) {
        if (!q || c >= a.d) return 0;
        if (a.vectors && !a.pool) {
            float2 v = *(const float2 *)(q + c);
            return Half::pack(v.x, v.y);
        }
        return Half::pack(query_value(a, q + c), c + 1 < a.d ? query_value(a, q + c + 1) : 0.0f);
    }

    // The scores of n keys; those behind, of whole pieces of 16, are left out if SKIP.
    template <bool SKIP> __device__ __forceinline__ void score(int n) {
#pragma unroll
        for (int m = 0; m < M; m++)
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) s[m][j][i] = 0;
#pragma unroll STEPS
        for (int c = 0; c < D / 16; c++) {
            unsigned a[M][4];
#pragma unroll
            for (int m = 0; m < M; m++) {
                if constexpr (HELD) {
#pragma unroll
                    for (int i = 0; i < 4; i++) a[m][i] = q[m][c][i];
                } else {
                    fragment(a[m], m, c);
                }
            }
#pragma unroll
            for (int j = 0; j < KEYS / 16; j++) {
                if (SKIP && 16 * j >= n) continue;
                unsigned b[4];
                load_matrix4(b, k_at + 16 * j * K_ROW + 16 * c);
#pragma unroll
                for (int m = 0; m < M; m++) {
                    Half::mma(s[m][2 * j], a[m], b[0], b[1]);
                    Half::mma(s[m][2 * j + 1], a[m], b[2], b[3]);
                }
            }
        }
    }

    // Scores to weights. unit is what makes a product a power of 2.
    __device__ __forceinline__ void weigh(int n, float unit) {
        int lane = threadIdx.x % 32;
        if (n < KEYS)
#pragma unroll
            for (int m = 0; m < M; m++)
#pragma unroll
                for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
                    for (int i = 0; i < 4; i++)
                        if (8 * j + lane % 4 * 2 + i % 2 >= n) s[m][j][i] = minus_infinity();
#pragma unroll
        for (int m = 0; m < M; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                float now = top[m][r];
#pragma unroll
                for (int j = 0; j < KEYS / 8; j++) now = fmaxf(now, fmaxf(s[m][j][2 * r], s[m][j][2 * r + 1]));
                now = fmaxf(now, __shfl_xor_sync(FULL, now, 1));
                now = fmaxf(now, __shfl_xor_sync(FULL, now, 2));
                float shrink = exp2_fast((top[m][r] - now) * unit), off = now * unit, added = 0;
                top[m][r] = now;
#pragma unroll
                for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
                    for (int i = 2 * r; i < 2 * r + 2; i++) {
                        s[m][j][i] = exp2_fast(fmaf(s[m][j][i], unit, -off));
                        added += s[m][j][i];
                    }
                sum[m][r] = sum[m][r] * shrink + added;
#pragma unroll
                for (int j = 0; j < DV / 8; j++) o[m][j][2 * r] *= shrink, o[m][j][2 * r + 1] *= shrink;
            }
    }

    // Adds the values so weighed.
    template <bool SKIP> __device__ __forceinline__ void spread(int n) {
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
                load_matrix4_transposed(b, v_at + 16 * j * V_ROW + 16 * c);
#pragma unroll
                for (int m = 0; m < M; m++) {
                    Half::mma(o[m][2 * c], p[m], b[0], b[1]);
                    Half::mma(o[m][2 * c + 1], p[m], b[2], b[3]);
                }
            }
        }
    }

    // Writes the results, or those of a part.
    __device__ __forceinline__ void end(const attend_args &a, const attend_place &at, int problem, int part, int q0) {
        int lane = threadIdx.x % 32;
#pragma unroll
        for (int m = 0; m < M; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                float all = sum[m][r];
                all += __shfl_xor_sync(FULL, all, 1);
                all += __shfl_xor_sync(FULL, all, 2);
                int query = q0 + 16 * m + lane / 4 + 8 * r, row = query_row(a, at, query);
                if (row < 0) continue;
                float *y = a.y + (size_t)row * a.ldy + at.head * a.dv, by = 1.0f / all;
                if (a.parts > 1) {
                    size_t to = ((size_t)problem * a.parts + part) * a.nq + query;
                    y = a.part_y + to * a.dv, by = 1.0f;
                    if (lane % 4 == 0) a.part_top[to] = top[m][r] * a.scale, a.part_sum[to] = all;
                }
#pragma unroll
                for (int j = 0; j < DV / 8; j++) {
                    int c = 8 * j + lane % 4 * 2;
                    if (c >= a.dv) continue;
                    float y0 = o[m][j][2 * r] * by, y1 = o[m][j][2 * r + 1] * by;
                    if (a.vectors) {
                        *(float2 *)(y + c) = make_float2(y0, y1);
                    } else {
                        y[c] = y0;
                        if (c + 1 < a.dv) y[c + 1] = y1;
                    }
                }
            }
    }
};

static constexpr float LOG2_E = 1.44269504f;

// Keys and values as they are, float32 rows of a map: for windows, and where few queries read them. 1 to 4 warps of 16
// queries; tiles of 64 keys.

// Copies a tile of n rows to shared memory, and zeros up to a multiple of 16 rows. rows has where they are in the map, -1 for
// a pad.
template <class Half, int D> static __device__ __forceinline__ void attend_gather(half_bits *to, const int *rows, int n, const float *x, const float *pad, int ld, int d, bool vectors) {
    int all = ceil_div(n, 16) * 16;
    if (vectors) {
#pragma unroll 4
        for (int i = threadIdx.x; i < all * (D / 4); i += blockDim.x) {
            int line = i / (D / 4), c = i % (D / 4) * 4;
            float4 v = make_float4(0, 0, 0, 0);
            if (line < n && c < d) v = *(const float4 *)((rows[line] < 0 ? pad : x + (size_t)rows[line] * ld) + c);
            *(uint2 *)(to + line * (D + 8) + c) = make_uint2(Half::pack(v.x, v.y), Half::pack(v.z, v.w));
        }
    } else {
#pragma unroll 1
        for (int i = threadIdx.x; i < all * D; i += blockDim.x) {
            int line = i / D, c = i % D;
            float v = 0;
            if (line < n && c < d) v = (rows[line] < 0 ? pad : x + (size_t)rows[line] * ld)[c];
            to[line * (D + 8) + c] = (half_bits)Half::pack(v, 0);
        }
    }
}

template <class Half, int D> static __device__ __forceinline__ void attend_direct(const attend_args &a) { // (row blocks of all problems, parts)
    half_bits *k = (half_bits *)shared_memory(), *v = k + 64 * (D + 8);
    uint4 *queries_at = (uint4 *)(v + 64 * (D + 8));
    int *rows = (int *)(queries_at + blockDim.x * (D / 16));
    int queries = blockDim.x / 2, blocks = ceil_div(a.nq, queries), problem = blockIdx.x / blocks;
    int q0 = blockIdx.x % blocks * queries + threadIdx.x / 32 * 16;
    attend_place at = attend_at(a, problem);
    attend_warp<Half, D, D, 64, 1> w;
    w.begin(a, at, q0, k, v, queries_at);
    attend_tiles tiles = part_of(a, 64, blockIdx.y);
    for (int t = tiles.first; t < tiles.end; t++) {
        int n = least(a.nk - 64 * t, 64);
        __syncthreads();
        for (int i = threadIdx.x; i < 64; i += blockDim.x) rows[i] = key_row(a, at, 64 * t + i);
        __syncthreads();
        attend_gather<Half, D>(k, rows, n, a.k + at.head * a.d, a.pad_k + at.head * a.d, a.ldk, a.d, a.vectors);
        attend_gather<Half, D>(v, rows, n, a.v + at.head * a.dv, a.pad_v + at.head * a.dv, a.ldv, a.dv, a.vectors);
        __syncthreads();
        w.template score<true>(n);
        w.weigh(n, a.scale * LOG2_E);
        w.template spread<true>(n);
    }
    w.end(a, at, problem, blockIdx.y, q0);
}

// Keys and values copied to 16 bits before, for many queries. While a tile of keys is scored its values arrive, and while
// these are added the next keys.

// Queues the copy of the tile whose first row is row0; rows behind the last become zeros.
template <int D, int KEYS, int THREADS> static __device__ __forceinline__ void attend_fetch(half_bits *to, const half_bits *x, int row0, int rows) {
#pragma unroll
    for (int j = 0; j < KEYS * (D / 8); j += THREADS) {
        int i = j + threadIdx.x, line = i / (D / 8), c = i % (D / 8) * 8;
        if (KEYS * (D / 8) % THREADS && line >= KEYS) break;
        bool in = row0 + line < rows;
        copy_async(to + line * (D + 8) + c, x + (in ? (size_t)(row0 + line) * D + c : 0), in ? 16 : 0);
    }
    copy_commit();
}

template <class Half, int D, int DV, int KEYS, int M, int WARPS> static __device__ __forceinline__ void attend_flash(const attend_args &a) { // (row blocks of all problems, parts)
    half_bits *k = (half_bits *)shared_memory(), *v = k + KEYS * (D + 8);
    uint4 *queries = (uint4 *)(v + KEYS * (DV + 8));
    int blocks = ceil_div(a.nq, 16 * M * WARPS), problem = blockIdx.x / blocks;
    int q0 = (blockIdx.x % blocks * WARPS + threadIdx.x / 32) * 16 * M;
    const half_bits *keys = a.half_k + (size_t)problem * a.nk * D, *values = a.half_v + (size_t)problem * a.nk * DV;
    attend_place at = attend_at(a, problem);
    attend_tiles tiles = part_of(a, KEYS, blockIdx.y);
    attend_fetch<D, KEYS, 32 * WARPS>(k, keys, tiles.first * KEYS, a.nk);
    attend_warp<Half, D, DV, KEYS, M> w;
    w.begin(a, at, q0, k, v, queries);
    for (int t = tiles.first; t < tiles.end; t++) {
        int n = least(a.nk - KEYS * t, KEYS);
        copy_wait<0>();
        __syncthreads(); // the keys are here, and the values before these are done with
        attend_fetch<DV, KEYS, 32 * WARPS>(v, values, t * KEYS, a.nk);
        w.template score<false>(n);
        w.weigh(n, a.scale * LOG2_E);
        copy_wait<0>();
        __syncthreads(); // the values are here, and the keys done with
        if (t + 1 < tiles.end) attend_fetch<D, KEYS, 32 * WARPS>(k, keys, (t + 1) * KEYS, a.nk);
        w.template spread<false>(n);
    }
    w.end(a, at, problem, blockIdx.y, q0);
}

// The kernels by widths. attention.go has the same list.

#define DIRECT(name, Half, D)               \
    typedef attend_args name##_args;        \
    KERNEL_BOUNDS(name, 128, 1) { attend_direct<Half, D>(args); }
#define FLASH(name, Half, D, DV, KEYS, M, WARPS, BLOCKS) \
    typedef attend_args name##_args;                     \
    KERNEL_BOUNDS(name, 32 * WARPS, BLOCKS) { attend_flash<Half, D, DV, KEYS, M, WARPS>(args); }
#define BOTH(KIND, name, ...)              \
    KIND(name##_bf16, bf16, __VA_ARGS__)   \
    KIND(name##_f16, f16, __VA_ARGS__)

BOTH(DIRECT, direct_16, 16)
BOTH(DIRECT, direct_32, 32)
BOTH(DIRECT, direct_64, 64)
BOTH(DIRECT, direct_80, 80)
BOTH(DIRECT, direct_96, 96)
BOTH(DIRECT, direct_128, 128)
BOTH(FLASH, flash_64_64, 64, 64, 64, 2, 4, 2)
BOTH(FLASH, flash_80_80, 80, 80, 64, 2, 4, 2)
BOTH(FLASH, flash_96_96, 96, 96, 64, 2, 4, 2)
BOTH(FLASH, flash_256_64, 256, 64, 48, 2, 4, 2)
BOTH(FLASH, flash_256_256, 256, 256, 32, 1, 8, 1)

// Copies keys and values to 16 bits, [maps, nk, heads * n] to [maps, heads, nk, width]. A thread makes eight elements.
struct attend_halve_args {
    const float *x[2];
    half_bits *y[2];
    int ld[2], n[2], width[2];
    int nk, heads;
    int f16, vectors;
};

KERNEL(attend_halve) { // (elements of a problem, problems, keys and values)
    const float *x = blockIdx.z ? args.x[1] : args.x[0];
    half_bits *y = blockIdx.z ? args.y[1] : args.y[0];
    int ld = blockIdx.z ? args.ld[1] : args.ld[0], n = blockIdx.z ? args.n[1] : args.n[0], width = blockIdx.z ? args.width[1] : args.width[0];
    int i = blockIdx.x * blockDim.x + threadIdx.x, line = i / (width / 8), c = i % (width / 8) * 8;
    if (line >= args.nk) return;
    int map = blockIdx.y / args.heads, head = blockIdx.y % args.heads;
    x += ((size_t)map * args.nk + line) * ld + head * n;
    float v[8];
    if (args.vectors) {
#pragma unroll
        for (int j = 0; j < 8; j += 4) {
            float4 f = c + j < n ? *(const float4 *)(x + c + j) : make_float4(0, 0, 0, 0);
            v[j] = f.x, v[j + 1] = f.y, v[j + 2] = f.z, v[j + 3] = f.w;
        }
    } else {
#pragma unroll
        for (int j = 0; j < 8; j++) v[j] = c + j < n ? x[c + j] : 0.0f;
    }
    uint4 h = args.f16 ? make_uint4(f16::pack(v[0], v[1]), f16::pack(v[2], v[3]), f16::pack(v[4], v[5]), f16::pack(v[6], v[7]))
                       : make_uint4(bf16::pack(v[0], v[1]), bf16::pack(v[2], v[3]), bf16::pack(v[4], v[5]), bf16::pack(v[6], v[7]));
    *(uint4 *)(y + ((size_t)blockIdx.y * args.nk + line) * width + c) = h;
}

// The keys of a rotary attention on the tensor cores: 64 rows in 4 warps, 64 channels.
template <class Half> static __device__ __forceinline__ void rotary_keys(const rotary_keys_args &a) { // (rows, channels)
    const int ROW = 64 + 8;
    half_bits *xs = (half_bits *)shared_memory(), *ws = xs + 64 * ROW;
    int lane = threadIdx.x % 32, row0 = blockIdx.x * 64, col0 = blockIdx.y * 64, own = threadIdx.x / 32 * 16;
    float s[8][4] = {};
    for (int k = 0; k < a.m; k += 64) {
        __syncthreads();
#pragma unroll 4
        for (int i = threadIdx.x; i < 64 * 32; i += 128) {
            int line = i / 32, c = i % 32 * 2, at = k + c;
            const float *x = a.x + (size_t)(row0 + line) * a.m + at, *w = a.w + (size_t)(col0 + line) * a.m + at;
            bool has_x = row0 + line < a.n, has_w = col0 + line < a.d;
            *(unsigned *)(xs + line * ROW + c) = Half::pack(has_x && at < a.m ? x[0] : 0.0f, has_x && at + 1 < a.m ? x[1] : 0.0f);
            *(unsigned *)(ws + line * ROW + c) = Half::pack(has_w && at < a.m ? w[0] : 0.0f, has_w && at + 1 < a.m ? w[1] : 0.0f);
        }
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

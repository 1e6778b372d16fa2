// Interpolation of planes, along x first, then along y.
//
// Bilinear: a thread has some columns of a band of result rows. It keeps the two source rows that lie about a result row,
// stretched to its columns, in registers, and reads a source row only when the band comes to it. Coordinates and blends are
// rounded after every operation, as the reference rounds them, so that the boxes of masks.cu are those of these rows.
//
// Antialiased: a block has a tile of the result. The source rows under it are filtered along x into shared memory, some at a
// time, and added to the result along y.

// Where output i of an axis lies: between two elements, with the weight t of the second.
struct between {
    int first, second;
    float t;
};

static __device__ inline between source_of(int i, int in, float scale) {
    float r = fmaxf(__fadd_rn(__fmul_rn(scale, __fadd_rn((float)i, 0.5f)), -0.5f), 0.0f);
    between b;
    b.first = least((int)r, in - 1);
    b.second = least(b.first + 1, in - 1);
    b.t = __fadd_rn(r, -(float)b.first);
    return b;
}

static __device__ inline float blend(float a, float b, float t) {
    return __fadd_rn(__fmul_rn(__fadd_rn(1.0f, -t), a), __fmul_rn(t, b));
}

// Planes [h, w] enlarged to [oh, ow].
struct bilinear {
    const float *x;
    int h, w, oh, ow;
    float sy, sx; // h / oh and w / ow in float32
    int band;     // result rows of a block
};

// Makes columns ox to ox + PX of result rows from to end of a plane and hands them to row(oy, values). Columns beyond the
// last are like the last.
template <int PX, class Row>
static __device__ inline void bilinear_rows(const bilinear &s, int plane, int ox, int from, int end, Row row) {
    between cols[PX];
#pragma unroll
    for (int p = 0; p < PX; p++) cols[p] = source_of(least(ox + p, s.ow - 1), s.w, s.sx);
    const float *x = s.x + (long long)plane * s.h * s.w;
    auto stretch = [&](int r, float(&v)[PX]) {
        const float *line = x + (long long)r * s.w;
#pragma unroll
        for (int p = 0; p < PX; p++) v[p] = blend(line[cols[p].first], line[cols[p].second], cols[p].t);
    };
    between at = source_of(from, s.h, s.sy);
    int have = at.first;
    float a[PX], b[PX], v[PX]; // source rows have and have + 1, or the last again
    stretch(at.first, a);
    stretch(at.second, b);
    for (int oy = from; oy < end; oy++) {
        at = source_of(oy, s.h, s.sy);
        if (at.first != have) {
            if (at.first == have + 1) {
#pragma unroll
                for (int p = 0; p < PX; p++) a[p] = b[p];
            } else {
                stretch(at.first, a);
            }
            stretch(at.second, b);
            have = at.first;
        }
#pragma unroll
        for (int p = 0; p < PX; p++) v[p] = blend(a[p], b[p], at.t);
        row(oy, v);
    }
}

struct resize_args {
    bilinear s;
    float *y;
    int vectors; // 1 if four columns are written at a time
};

// The grid is [columns, bands, planes].
KERNEL(resize) {
    const bilinear &s = args.s;
    int i = blockIdx.x * blockDim.x + threadIdx.x, from = blockIdx.y * s.band, end = least(from + s.band, s.oh);
    float *y = args.y + (long long)blockIdx.z * s.oh * s.ow;
    if (args.vectors) {
        if (4 * i < s.ow)
            bilinear_rows<4>(s, blockIdx.z, 4 * i, from, end, [&](int oy, const float(&v)[4]) {
                ((float4 *)(y + (long long)oy * s.ow))[i] = make_float4(v[0], v[1], v[2], v[3]);
            });
    } else if (i < s.ow) {
        bilinear_rows<1>(s, blockIdx.z, i, from, end, [&](int oy, const float(&v)[1]) { y[(long long)oy * s.ow + i] = v[0]; });
    }
}

// The weights of a resampled axis as they lie in a table: first[out], count[out], weight[taps][out].
template <class W> struct axis {
    const int *table;
    int out;
    __device__ inline int first(int i) const { return table[i]; }
    __device__ inline int count(int i) const { return table[out + i]; }
    __device__ inline W weight(int i, int tap) const { return ((const W *)table)[(tap + 2ll) * out + i]; }

    // The source elements under outputs i to i + n, n at most 32. All lanes of the warp ask.
    __device__ inline void under(int i, int n, int &lo, int &hi) const {
        int lane = least((int)(threadIdx.y * blockDim.x + threadIdx.x) % 32, n - 1);
        lo = __reduce_min_sync(FULL, first(i + lane));
        hi = __reduce_max_sync(FULL, first(i + lane) + count(i + lane));
    }
};

struct resize_filtered_args {
    const float *x;
    const int *fx, *fy; // tables of the axes
    float *y;
    int h, w, oh, ow;
};

// The grid is [columns, rows, planes] in tiles of 32 x 8, a thread each.
KERNEL(resize_filtered) {
    enum { WIDE = 32, HIGH = 8, CHUNK = 64 }; // CHUNK: source rows at a time
    float *rows = (float *)shared_memory();   // [CHUNK, WIDE]
    axis<float> across = {args.fx, args.ow}, down = {args.fy, args.oh};
    int ox = blockIdx.x * WIDE + threadIdx.x, col = least(ox, args.ow - 1), oy0 = blockIdx.y * HIGH;
    int oy = least(oy0 + (int)threadIdx.y, args.oh - 1), lo, hi;
    down.under(oy0, least((int)HIGH, args.oh - oy0), lo, hi);
    int first = across.first(col), n = across.count(col), above = down.first(oy), under = above + down.count(oy);
    const float *x = args.x + (long long)blockIdx.z * args.h * args.w + first;
    float sum = 0;
    for (int base = lo; base < hi; base += CHUNK) {
        int end = least(base + (int)CHUNK, hi);
        for (int r = base + threadIdx.y; r < end; r += HIGH) {
            const float *p = x + (long long)r * args.w;
            float s = 0;
#pragma unroll 4
            for (int j = 0; j < n; j++) s += across.weight(col, j) * p[j];
            rows[(r - base) * WIDE + threadIdx.x] = s;
        }
        __syncthreads();
        for (int r = most(above, base); r < least(under, end); r++)
            sum += down.weight(oy, r - above) * rows[(r - base) * WIDE + threadIdx.x];
        __syncthreads();
    }
    if (ox < args.ow && oy0 + (int)threadIdx.y < args.oh)
        args.y[((long long)blockIdx.z * args.oh + oy) * args.ow + ox] = sum;
}

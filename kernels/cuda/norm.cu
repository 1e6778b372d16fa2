// Layer norm of rows: the mean, then the variance about it, then the result.
//
// Some lanes of a warp share a row, so that a narrow row does not leave lanes idle, and hold all of it in registers: it is
// read once. Rows that cannot be read in vectors, or are too wide for that, have a whole warp, which reads them three times.

struct layer_norm_args {
    const float *x, *gamma, *beta;
    float *y; // or 16-bit factors, in vectors
    long long rows;
    int c;
    int shift; // 2^shift lanes share a row
    float eps;
    int act;
    int to; // the type of y
};

// The sum over groups of 2^shift lanes, in all of them.
static __device__ inline float sum_lanes(float v, int shift) {
    for (int by = 1 << shift >> 1; by > 0; by >>= 1) v += __shfl_xor_sync(FULL, v, by);
    return v;
}

// Rows of at most 4 N 2^shift elements.
template <int N, int ACT> static __device__ inline void layer_norm_held(const layer_norm_args &args) {
    long long row = ((long long)blockIdx.x * blockDim.x + threadIdx.x) >> args.shift;
    int lanes = 1 << args.shift, lane = threadIdx.x & (lanes - 1), n = row < args.rows ? args.c / 4 : 0; // vectors
    const float4 *x = (const float4 *)(args.x + row * args.c);
    float4 v[N];
    float sum = 0;
#pragma unroll
    for (int i = 0; i < N; i++) {
        int at = lane + i * lanes;
        v[i] = at < n ? x[at] : make_float4(0, 0, 0, 0);
    }
#pragma unroll
    for (int i = 0; i < N; i++) sum += (v[i].x + v[i].y) + (v[i].z + v[i].w);
    float mean = sum_lanes(sum, args.shift) / args.c, square = 0;
#pragma unroll
    for (int i = 0; i < N; i++) {
        v[i] = make_float4(v[i].x - mean, v[i].y - mean, v[i].z - mean, v[i].w - mean);
        if (lane + i * lanes < n) square += (v[i].x * v[i].x + v[i].y * v[i].y) + (v[i].z * v[i].z + v[i].w * v[i].w);
    }
    float inv = 1.0f / sqrtf(sum_lanes(square, args.shift) / args.c + args.eps);
#pragma unroll
    for (int i = 0; i < N; i++) {
        int at = lane + i * lanes;
        if (at < n) {
            float4 g = ((const float4 *)args.gamma)[at], b = ((const float4 *)args.beta)[at];
            write_factors(args.y, row * (args.c / 4) + at, args.to,
                          make_float4(act(v[i].x * inv * g.x + b.x, ACT), act(v[i].y * inv * g.y + b.y, ACT),
                                      act(v[i].z * inv * g.z + b.z, ACT), act(v[i].w * inv * g.w + b.w, ACT)));
        }
    }
}

KERNEL(layer_norm) {
    switch (args.act) {
    case ACT_RELU: layer_norm_held<4, ACT_RELU>(args); break;
    case ACT_GELU: layer_norm_held<4, ACT_GELU>(args); break;
    case ACT_SIGMOID: layer_norm_held<4, ACT_SIGMOID>(args); break;
    case ACT_STEP: layer_norm_held<4, ACT_STEP>(args); break;
    default: layer_norm_held<4, ACT_NONE>(args);
    }
}

typedef layer_norm_args layer_norm_wide_args;
KERNEL(layer_norm_wide) { layer_norm_held<8, ACT_NONE>(args); }

typedef layer_norm_args layer_norm_widest_args;
KERNEL(layer_norm_widest) { layer_norm_held<18, ACT_NONE>(args); }

typedef layer_norm_args layer_norm_any_args;
KERNEL(layer_norm_any) {
    long long row = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / 32;
    int lane = threadIdx.x % 32;
    if (row >= args.rows) return; // all lanes of the warp
    const float *x = args.x + row * args.c;
    float *y = args.y + row * args.c;
    float sum = 0, square = 0;
    for (int i = lane; i < args.c; i += 32) sum += x[i];
    float mean = sum_lanes(sum, 5) / args.c;
    for (int i = lane; i < args.c; i += 32) square += (x[i] - mean) * (x[i] - mean);
    float inv = 1.0f / sqrtf(sum_lanes(square, 5) / args.c + args.eps);
    for (int i = lane; i < args.c; i += 32) y[i] = act((x[i] - mean) * inv * args.gamma[i] + args.beta[i], args.act);
}

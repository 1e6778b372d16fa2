// Elementwise ops: one thread for each element of the result, or for each vector of four.
#include "vector.cuh"

struct add_args {
    const float *a, *b;
    float *y;
    long long n, lb; // elements of y, of b, which repeats
    float alpha;
    int vectors; // 1 if the addresses allow vectors, and lb too if b repeats
};

// Where element i of y finds its element of b. A division of 64 bits is a long subroutine: it is for results that need it.
static __device__ inline long long repeated(long long i, long long lb, long long n) {
    if (lb == n) return i;
    return n >> 32 ? i % lb : (long long)((unsigned)i % (unsigned)lb);
}

KERNEL(add) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (args.vectors) {
        i *= 4;
        if (i + 4 <= args.n) {
            const float4 *b = (const float4 *)(args.b + repeated(i, args.lb, args.n));
            *(float4 *)(args.y + i) = plus_times(*(const float4 *)(args.a + i), args.alpha, *b);
            return;
        }
        for (; i < args.n; i++) args.y[i] = plus_times(args.a[i], args.alpha, args.b[i]); // b does not repeat: lb divides n
    } else if (i < args.n) {
        args.y[i] = plus_times(args.a[i], args.alpha, args.b[repeated(i, args.lb, args.n)]);
    }
}

struct activate_args {
    const float *x;
    float *y;
    long long n;
    int act;
    float scale, bias;
};

KERNEL(activate) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < args.n) args.y[i] = args.scale * act(args.x[i], args.act) + args.bias;
}

struct fill_args {
    float *y;
    long long n;
    float value;
};

KERNEL(fill) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < args.n) args.y[i] = args.value;
}

struct cast_args {
    const void *x;
    void *y;
    long long n;
    int to_half; // 1 if y has elements of 16 bits, 0 if x has
    int half;    // which those are
    int vectors; // 1 if the addresses allow vectors of four
};

enum { CAST_BF16, CAST_F16 }; // half

// Four elements a thread, one where they cannot be vectors.
template <class Half> static __device__ inline void cast_to(const cast_args &args, long long i) {
    const float *x = (const float *)args.x;
    half_bits *y = (half_bits *)args.y;
    if (args.vectors && i + 4 <= args.n) {
        float4 v = *(const float4 *)(x + i);
        *(uint2 *)(y + i) = make_uint2(Half::pack(v.x, v.y), Half::pack(v.z, v.w));
        return;
    }
    for (long long end = least(args.n, args.vectors ? i + 4 : i + 1); i < end; i++) y[i] = (half_bits)Half::pack(x[i], 0);
}

static __device__ inline float from_half(half_bits h, int half) { return half == CAST_BF16 ? from_bf16(h) : from_f16(h); }

static __device__ inline void cast_from(const cast_args &args, long long i) {
    const half_bits *x = (const half_bits *)args.x;
    float *y = (float *)args.y;
    if (args.vectors && i + 4 <= args.n) {
        uint2 v = *(const uint2 *)(x + i);
        *(float4 *)(y + i) = make_float4(from_half((half_bits)v.x, args.half), from_half((half_bits)(v.x >> 16), args.half),
                                         from_half((half_bits)v.y, args.half), from_half((half_bits)(v.y >> 16), args.half));
        return;
    }
    for (long long end = least(args.n, args.vectors ? i + 4 : i + 1); i < end; i++) y[i] = from_half(x[i], args.half);
}

KERNEL(cast) {
    long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * (args.vectors ? 4 : 1);
    if (!args.to_half)
        cast_from(args, i);
    else if (args.half == CAST_BF16)
        cast_to<bf16>(args, i);
    else
        cast_to<f16_cast>(args, i);
}

struct copy_args {
    const void *x;
    void *y;
    long long n; // bytes
    int vectors; // 1 if 16 bytes are copied at a time
};

KERNEL(copy) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const unsigned char *x = (const unsigned char *)args.x;
    unsigned char *y = (unsigned char *)args.y;
    if (!args.vectors) {
        if (i < args.n) y[i] = x[i];
        return;
    }
    i *= 16;
    if (i + 16 <= args.n)
        *(uint4 *)(y + i) = *(const uint4 *)(x + i);
    else
        for (; i < args.n; i++) y[i] = x[i];
}

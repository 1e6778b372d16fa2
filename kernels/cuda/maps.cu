// Maps at half and at twice their size. The grid is [elements of a row, rows, pictures]; an element is a vector of four
// channels, or one channel.
#include "vector.cuh"

struct max_pool_args {
    const float *x; // [., 2h, 2w, c]
    float *y;       // [., h, w, c]
    int h, w, c;
    int vectors; // 1 if c and the addresses allow vectors
};

template <class T> static __device__ inline void max_pool_of(const max_pool_args &args) {
    int c = args.c * 4 / (int)sizeof(T), i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= args.w * c) return;
    int px = i / c, row = 2 * args.w * c;
    long long r = (long long)blockIdx.z * args.h + blockIdx.y; // of the result; pictures have even heights
    const T *a = (const T *)args.x + 2 * r * row + i + px * c, *b = a + row;
    ((T *)args.y)[r * args.w * c + i] = larger(larger(a[0], a[c]), larger(b[0], b[c]));
}

KERNEL(max_pool) {
    if (args.vectors)
        max_pool_of<float4>(args);
    else
        max_pool_of<float>(args);
}

struct upsample_add_args {
    const float *x, *top; // [., 2h, 2w, c], [., h, w, c]
    float *y;             // [., 2h, 2w, c]
    int h, w, c;
    int vectors;
};

// A thread adds its element of top to the two elements of x below each other that lie under it, one pixel of x wide.
template <class T> static __device__ inline void upsample_add_of(const upsample_add_args &args) {
    int c = args.c * 4 / (int)sizeof(T), i = blockIdx.x * blockDim.x + threadIdx.x, row = 2 * args.w * c;
    if (i >= row) return;
    int px = i / c, channel = i - px * c;
    long long r = (long long)blockIdx.z * args.h + blockIdx.y; // of top
    T top = ((const T *)args.top)[(r * args.w + px / 2) * c + channel];
    const T *x = (const T *)args.x + 2 * r * row + i;
    T *y = (T *)args.y + 2 * r * row + i;
    T a = x[0], b = x[row];
    y[0] = plus(a, top);
    y[row] = plus(b, top);
}

KERNEL(upsample_add) {
    if (args.vectors)
        upsample_add_of<float4>(args);
    else
        upsample_add_of<float>(args);
}

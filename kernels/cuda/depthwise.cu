// Depthwise convolution.
//
// A block of the 7x7 kernel makes a tile of 8 x 8 pixels of 32 channels. The pixels under it and the weights lie in shared
// memory. A thread has four channels of a row of the tile: for each row of weights it reads each pixel once and adds it to
// all outputs that see it, 14 + 7 vectors read for 56 multiply-adds of a vector.
#include "vector.cuh"

struct depthwise_args {
    const float *x, *w, *bias; // [., h, width, c], [kernel, kernel, c], [c]
    float *y;
    int h, width, c;
    int kernel;
};

typedef depthwise_args depthwise7_args;

// The grid is [tiles of a row, rows of tiles, pictures x groups of 32 channels], a block 8 vectors x 8 rows.
KERNEL(depthwise7) {
    enum { TILE = 8, K = 7, SIDE = TILE + K - 1, WIDE = 8 }; // WIDE: vectors of channels
    float4 *tile = (float4 *)shared_memory(), *weights = tile + SIDE * SIDE * WIDE; // [SIDE, SIDE, WIDE], [K, K, WIDE]
    int c = args.c / 4, groups = ceil_div(c, WIDE), picture = blockIdx.z / groups;
    int c0 = (blockIdx.z - picture * groups) * WIDE, y0 = blockIdx.y * TILE, x0 = blockIdx.x * TILE;
    const float4 *x = (const float4 *)args.x + (long long)picture * args.h * args.width * c;
    int lane = threadIdx.x, channel = c0 + lane;

    for (int i = threadIdx.y; i < SIDE * SIDE; i += TILE) {
        int iy = y0 + i / SIDE - K / 2, ix = x0 + i % SIDE - K / 2;
        bool inside = iy >= 0 && iy < args.h && ix >= 0 && ix < args.width && channel < c;
        copy_async(tile + i * WIDE + lane, inside ? x + ((long long)iy * args.width + ix) * c + channel : x, inside ? 16 : 0);
    }
    for (int i = threadIdx.y; i < K * K; i += TILE)
        copy_async(weights + i * WIDE + lane, (const float4 *)args.w + (channel < c ? i * c + channel : 0), channel < c ? 16 : 0);
    copy_commit();
    copy_wait<0>();
    __syncthreads();

    int oy = y0 + threadIdx.y;
    if (channel >= c || oy >= args.h) return;
    float4 sum[TILE];
#pragma unroll
    for (int p = 0; p < TILE; p++) sum[p] = ((const float4 *)args.bias)[channel];
    for (int ky = 0; ky < K; ky++) {
        float4 k[K];
#pragma unroll
        for (int i = 0; i < K; i++) k[i] = weights[(ky * K + i) * WIDE + lane];
        const float4 *row = tile + (threadIdx.y + ky) * SIDE * WIDE + lane;
#pragma unroll
        for (int q = 0; q < SIDE; q++) {
            float4 v = row[q * WIDE];
#pragma unroll
            for (int i = 0; i < K; i++)
                if (q - i >= 0 && q - i < TILE) sum[q - i] = plus_times(sum[q - i], v, k[i]);
        }
    }
    float4 *y = (float4 *)args.y + (((long long)picture * args.h + oy) * args.width + x0) * c + channel;
#pragma unroll
    for (int p = 0; p < TILE; p++)
        if (x0 + p < args.width) y[(long long)p * c] = sum[p];
}

// Any kernel, one output a thread. The grid is [elements of a row, rows, pictures].
KERNEL(depthwise) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= args.width * args.c) return;
    int ox = i / args.c, channel = i - ox * args.c, oy = blockIdx.y, half = args.kernel / 2;
    long long picture = (long long)blockIdx.z * args.h;
    float sum = args.bias[channel];
    for (int ky = most(0, half - oy); ky < least(args.kernel, args.h + half - oy); ky++) {
        const float *row = args.x + (picture + oy + ky - half) * args.width * args.c + channel;
        const float *k = args.w + (long long)ky * args.kernel * args.c + channel;
        for (int kx = most(0, half - ox); kx < least(args.kernel, args.width + half - ox); kx++)
            sum += row[(long long)(ox + kx - half) * args.c] * k[(long long)kx * args.c];
    }
    args.y[(picture + oy) * args.width * args.c + i] = sum;
}

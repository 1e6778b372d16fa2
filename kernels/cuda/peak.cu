// The ceilings: independent multiply-adds in registers, on the tensor cores and in float32.

struct peak_args {
    float *sink; // one element of each thread
    int rounds;
};

// 8 products of fragments a round, of 16 x 8 x 16 each, by each warp.
template <class Half> static __device__ inline void peak_half(const peak_args &args) {
    float sum[8][4] = {};
    unsigned a[4] = {threadIdx.x, threadIdx.x + 1, threadIdx.x + 2, threadIdx.x + 3};
#pragma unroll 1
    for (int i = 0; i < args.rounds; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) Half::mma(sum[j], a, threadIdx.x + j, threadIdx.x);
    float all = 0;
#pragma unroll
    for (int j = 0; j < 8; j++) all += sum[j][0] + sum[j][1] + sum[j][2] + sum[j][3];
    args.sink[blockIdx.x * blockDim.x + threadIdx.x] = all;
}

typedef peak_args peak_bf16_args;
KERNEL(peak_bf16) { peak_half<bf16>(args); }
typedef peak_args peak_f16_args;
KERNEL(peak_f16) { peak_half<f16>(args); }

// 16 multiply-adds a round by each thread.
typedef peak_args peak_f32_args;
KERNEL(peak_f32) {
    float sum[16];
#pragma unroll
    for (int j = 0; j < 16; j++) sum[j] = threadIdx.x + j;
#pragma unroll 1
    for (int i = 0; i < args.rounds; i++)
#pragma unroll
        for (int j = 0; j < 16; j++) sum[j] = fmaf(sum[j], 0.999f, 0.001f);
    float all = 0;
#pragma unroll
    for (int j = 0; j < 16; j++) all += sum[j];
    args.sink[blockIdx.x * blockDim.x + threadIdx.x] = all;
}

// Questions about masks that need no mask in memory.

struct mask_boxes_args {
    bilinear s;
    int4 *parts; // of each block: x min, y min, x max, y max, with maxima of -1 where there are none
};

// The box of the elements > 0 of a band of four columns a thread. The grid is [columns, bands, planes].
KERNEL(mask_boxes) {
    const bilinear &s = args.s;
    int *box = (int *)shared_memory(); // [4]
    if (threadIdx.x < 4) box[threadIdx.x] = threadIdx.x < 2 ? 0x7fffffff : -1;
    __syncthreads();
    int ox = 4 * (blockIdx.x * blockDim.x + threadIdx.x), from = blockIdx.y * s.band;
    int left = 0x7fffffff, top = 0x7fffffff, right = -1, bottom = -1;
    if (ox < s.ow) {
        bool any[4] = {};
        bilinear_rows<4>(s, blockIdx.z, ox, from, least(from + s.band, s.oh), [&](int oy, const float(&v)[4]) {
            bool here = false;
#pragma unroll
            for (int p = 0; p < 4; p++) {
                any[p] |= v[p] > 0;
                here |= v[p] > 0;
            }
            if (here) top = least(top, oy), bottom = oy;
        });
#pragma unroll
        for (int p = 0; p < 4; p++)
            if (any[p]) { // a column beyond the last is like the last
                left = least(left, least(ox + p, s.ow - 1));
                right = least(ox + p, s.ow - 1);
            }
    }
    left = __reduce_min_sync(FULL, left), top = __reduce_min_sync(FULL, top);
    right = __reduce_max_sync(FULL, right), bottom = __reduce_max_sync(FULL, bottom);
    if (threadIdx.x % 32 == 0) {
        atomicMin(&box[0], left), atomicMin(&box[1], top);
        atomicMax(&box[2], right), atomicMax(&box[3], bottom);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        int4 part = {box[0], box[1], box[2], box[3]};
        args.parts[((long long)blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x] = part;
    }
}

struct mask_boxes_join_args {
    const int4 *parts; // [planes, n]
    int *y;            // [planes, 4]
    int n;
};

// One warp joins the boxes of a plane.
KERNEL(mask_boxes_join) {
    const int4 *parts = args.parts + (long long)blockIdx.x * args.n;
    int left = 0x7fffffff, top = 0x7fffffff, right = -1, bottom = -1;
    for (int i = threadIdx.x; i < args.n; i += 32) {
        int4 p = parts[i];
        left = least(left, p.x), top = least(top, p.y), right = most(right, p.z), bottom = most(bottom, p.w);
    }
    left = __reduce_min_sync(FULL, left), top = __reduce_min_sync(FULL, top);
    right = __reduce_max_sync(FULL, right), bottom = __reduce_max_sync(FULL, bottom);
    if (threadIdx.x == 0) {
        bool any = right >= 0;
        int *y = args.y + 4ll * blockIdx.x;
        y[0] = any ? left : 0, y[1] = any ? top : 0, y[2] = any ? right : 0, y[3] = any ? bottom : 0;
    }
}

struct count_above_args {
    const float *x; // [rows, m]
    int *y;         // [rows, stride], zeros at first
    int m, stride;
    int n; // thresholds, at most 4
    float threshold[4];
    int vectors;
};

// Each thread counts in up to four vectors, or elements; each warp adds what it found. The grid is [pieces of a row, rows].
template <class T> static __device__ inline void count_above_of(const count_above_args &args) {
    enum { EACH = 4, PER = sizeof(T) / 4 };
    int m = args.m / PER, at = blockIdx.x * blockDim.x * EACH + threadIdx.x;
    const T *x = (const T *)(args.x + (long long)blockIdx.y * args.m);
    float v[EACH][PER];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        int j = at + i * blockDim.x;
        if (j < m) {
            T got = x[j];
#pragma unroll
            for (int l = 0; l < PER; l++) v[i][l] = ((const float *)&got)[l];
        }
    }
#pragma unroll
    for (int k = 0; k < 4; k++) {
        if (k >= args.n) break;
        int count = 0;
#pragma unroll
        for (int i = 0; i < EACH; i++)
            if (at + i * (int)blockDim.x < m)
#pragma unroll
                for (int l = 0; l < PER; l++) count += v[i][l] > args.threshold[k];
        count = __reduce_add_sync(FULL, count);
        if (threadIdx.x % 32 == 0 && count) atomicAdd(&args.y[(long long)blockIdx.y * args.stride + k], count);
    }
}

KERNEL(count_above) {
    if (args.vectors)
        count_above_of<float4>(args);
    else
        count_above_of<float>(args);
}

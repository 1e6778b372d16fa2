// The stretch of an RGB picture in fixed point, two passes with 8-bit rounding after each, and the normalisation by a table
// of all 256 values of each channel.
//
// Both passes are one kernel. A block has a tile of the result, 96 elements (32 pixels) wide: some source rows at a time are
// stretched along x into shared memory, rounded, and added to the result along y. A row under two tiles is stretched for
// each of them, which costs less than a pass through memory.

struct preprocess_args {
    const unsigned char *x; // [., w, 3]
    const int *fx, *fy;     // tables of the axes
    const float *normal;    // [256, 3]
    float *y;               // [s, s, 3]
    int w, s;
};

// Fixed point with 22 fractional bits to 8 bits; sums begin with a half.
enum { PIXEL_HALF = 1 << 21 };
static __device__ inline int to_pixel(int sum) { return least(most(sum >> 22, 0), 255); }

// The grid is [tiles of a row, rows of tiles], a block 96 x 4.
KERNEL_BOUNDS(preprocess, 384, 3) {
    enum { WIDE = 96, ROWS = 4, EACH = 6, CHUNK = 32 };           // EACH: rows of a thread; CHUNK: source rows at a time
    float *normal = (float *)shared_memory();                     // [256, 3]
    unsigned char *rows = (unsigned char *)(normal + 256 * 3);    // [CHUNK, WIDE]
    int tx = threadIdx.x, ty = threadIdx.y, s = args.s, e = blockIdx.x * WIDE + tx, o0 = blockIdx.y * ROWS * EACH;
    for (int i = ty * WIDE + tx; i < 256 * 3; i += WIDE * ROWS) normal[i] = args.normal[i];

    axis<int> across = {args.fx, s}, down = {args.fy, s};
    int lo, hi, px = least(e / 3, s - 1), channel = e % 3;
    down.under(o0, least((int)ROWS * EACH, s - o0), lo, hi);
    int n = across.count(px);
    const unsigned char *x = args.x + 3 * across.first(px) + channel;
    int sum[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) sum[i] = PIXEL_HALF;

    for (int base = lo; base < hi; base += CHUNK) {
        int end = least(base + (int)CHUNK, hi);
        for (int r = base + 4 * ty; r < end; r += 4 * ROWS) { // four rows with each weight; of rows from end on the last again
            const unsigned char *p = x + 3ll * args.w * r;
            int at[4], v[4];
#pragma unroll
            for (int i = 0; i < 4; i++) at[i] = 3 * args.w * least(i, end - 1 - r), v[i] = PIXEL_HALF;
#pragma unroll 2
            for (int j = 0; j < n; j++, p += 3) {
                int k = across.weight(px, j);
#pragma unroll
                for (int i = 0; i < 4; i++) v[i] += k * p[at[i]];
            }
#pragma unroll
            for (int i = 0; i < 4; i++) rows[(r - base + i) * WIDE + tx] = (unsigned char)to_pixel(v[i]);
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            int o = least(o0 + ty + i * ROWS, s - 1), first = down.first(o), stop = least(first + down.count(o), end);
            for (int r = most(first, base); r < stop; r++) sum[i] += down.weight(o, r - first) * rows[(r - base) * WIDE + tx];
        }
        __syncthreads();
    }
    if (e >= 3 * s) return;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        int o = o0 + ty + i * ROWS;
        if (o < s) args.y[3ll * s * o + e] = normal[3 * to_pixel(sum[i]) + channel];
    }
}

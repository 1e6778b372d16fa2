// Rotation of adjacent channel pairs: (a, b) becomes (a cos - b sin, a sin + b cos).

struct rope_args {
    const float *x, *cos, *sin; // x and y may be 16-bit factors, in vectors then
    float *y;
    int n, d, p; // rows of y to write, their elements, rows of the tables
    int rows;    // so many are rotated, the others copied
    int vectors; // 1 if two pairs are read at a time
    int from, to; // types of x and y
};

// A warp has a row; the mapping of rows to the tables costs one division for all of a row.
KERNEL(rope) {
    int r = blockIdx.x * blockDim.y + threadIdx.y, d = args.d;
    if (r >= args.n) return;
    const float *x = args.x + (long long)r * d;
    float *y = args.y + (long long)r * d;
    long long angles = (long long)(r % args.p) * (d / 2);
    bool turn = r < args.rows;
    if (args.vectors) {
        const float2 *cos = (const float2 *)(args.cos + angles), *sin = (const float2 *)(args.sin + angles);
        for (int i = threadIdx.x; i < d / 4; i += 32) {
            float4 v = read_factors(args.x, (long long)r * (d / 4) + i, args.from);
            if (turn) {
                float2 c = cos[i], s = sin[i];
                v = make_float4(v.x * c.x - v.y * s.x, v.x * s.x + v.y * c.x, v.z * c.y - v.w * s.y, v.z * s.y + v.w * c.y);
            }
            write_factors(args.y, (long long)r * (d / 4) + i, args.to, v);
        }
        return;
    }
    for (int i = threadIdx.x; i < d / 2; i += 32) {
        float a = x[2 * i], b = x[2 * i + 1], c = 1, s = 0;
        if (turn) c = args.cos[angles + i], s = args.sin[angles + i];
        y[2 * i] = turn ? a * c - b * s : a;
        y[2 * i + 1] = turn ? a * s + b * c : b;
    }
}

// Weights in the device's precision, rows padded with zeros.

struct pack_args {
    const float *w;
    void *y;
    int n, k, row;
    int precision;
};

KERNEL(pack) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= (long long)args.n * args.row) return;
    int r = (int)(i / args.row), c = (int)(i % args.row);
    float v = c < args.k ? args.w[(long long)r * args.k + c] : 0.0f;
    switch (args.precision) {
    case FLOAT32: ((float *)args.y)[i] = v; break;
    case BFLOAT16: ((half_bits *)args.y)[i] = to_bf16(v); break;
    default: ((half_bits *)args.y)[i] = to_f16(v);
    }
}

// Elementwise ops: one thread for each element of the result.

struct add_args {
    const float *a, *b;
    float *y;
    long long n, lb; // elements of y, of b, which repeats
    float alpha;
};

KERNEL(add) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < args.n) args.y[i] = args.a[i] + args.alpha * args.b[i % args.lb];
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

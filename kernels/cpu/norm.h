// Layer norm of rows: mean, then variance about it, then the result, three passes over a row that stays in the
// first-level cache. Lane l sums elements l, l + VL, ...; vsum joins the lanes.

static inline void layernorm_as(int act, const float *x, const float *gamma, const float *beta, float eps, long rows,
                                long c, float *y) {
    long whole = c / VL * VL, rest = c - whole;
    for (long r = 0; r < rows; r++, x += c, y += c) {
        vf s = {};
        for (long i = 0; i < whole; i += VL) s += vload(x + i);
        if (rest) s += vload_n(x + whole, rest);
        float mean = vsum(s) / c;

        vf q = {};
        for (long i = 0; i < whole; i += VL) {
            vf d = vload(x + i) - mean;
            q += d * d;
        }
        if (rest) {
            float d[VL];
            vstore(d, vload_n(x + whole, rest) - mean);
            vf kept = vload_n(d, rest); // the lanes past the row hold 0 - mean
            q += kept * kept;
        }
        float inv = 1 / __builtin_sqrtf(vsum(q) / c + eps);

        for (long i = 0; i < whole; i += VL)
            vstore(y + i, vact((vload(x + i) - mean) * inv * vload(gamma + i) + vload(beta + i), act));
        if (rest)
            vstore_n(y + whole,
                     vact((vload_n(x + whole, rest) - mean) * inv * vload_n(gamma + whole, rest) +
                              vload_n(beta + whole, rest),
                          act),
                     rest);
    }
}

static void layernorm(const float *x, const float *gamma, const float *beta, float eps, int act, long rows, long c,
                      float *y) {
    switch (act) {
    case ACT_RELU: layernorm_as(ACT_RELU, x, gamma, beta, eps, rows, c, y); break;
    case ACT_GELU: layernorm_as(ACT_GELU, x, gamma, beta, eps, rows, c, y); break;
    case ACT_SIGMOID: layernorm_as(ACT_SIGMOID, x, gamma, beta, eps, rows, c, y); break;
    case ACT_STEP: layernorm_as(ACT_STEP, x, gamma, beta, eps, rows, c, y); break;
    default: layernorm_as(ACT_NONE, x, gamma, beta, eps, rows, c, y);
    }
}

// Layer norm of rows: mean, then variance about it, then the result, three passes over rows that
// stay in the first-level cache. Lane l sums elements l, l + VL, ...; vsum joins the lanes. For one
// row each pass is a chain of operations, so short rows go some in step; long ones wait for memory,
// which follows one of them better.
//
// A row has the same result alone and in step with others: madd, because newer compilers fuse a sum
// of products in one of these loops and not in the other.

#define NORMED 4  // rows in step
#define SHORT 128 // elements of a row of those, at most

// normrows does n rows, a constant.
static inline __attribute__((always_inline)) void normrows(const int n, int act, const float *x, const float *gamma,
                                                           const float *beta, float eps, long c, float *y) {
    long whole = c / VL * VL, rest = c - whole;
    vf sum[NORMED] = {}, square[NORMED] = {}, v[NORMED];
    float mean[NORMED], inv[NORMED];
    for (long j = 0; j < whole; j += VL) INSTEP sum[i] += vload(x + i * c + j);
    if (rest) INSTEP sum[i] += vload_n(x + i * c + whole, rest);
    INSTEP mean[i] = vsum(sum[i]) / c;

    for (long j = 0; j < whole; j += VL)
        INSTEP {
            vf d = vload(x + i * c + j) - mean[i];
            madd(&square[i], d, d);
        }
    if (rest)
        INSTEP {
            float d[VL];
            vstore(d, vload_n(x + i * c + whole, rest) - mean[i]);
            vf kept = vload_n(d, rest); // the lanes past the row hold 0 - mean
            madd(&square[i], kept, kept);
        }
    INSTEP inv[i] = 1 / __builtin_sqrtf(vsum(square[i]) / c + eps);

    for (long j = 0; j < whole; j += VL) {
        INSTEP v[i] = (vload(x + i * c + j) - mean[i]) * inv[i] * vload(gamma + j) + vload(beta + j);
        vacts(v, n, act);
        INSTEP vstore(y + i * c + j, v[i]);
    }
    if (rest) {
        INSTEP v[i] = (vload_n(x + i * c + whole, rest) - mean[i]) * inv[i] * vload_n(gamma + whole, rest) +
                      vload_n(beta + whole, rest);
        vacts(v, n, act);
        INSTEP vstore_n(y + i * c + whole, v[i], rest);
    }
}

static inline __attribute__((always_inline)) void layernorm_as(int act, const float *x, const float *gamma, const float *beta,
                                                               float eps, long rows, long c, float *y) {
    for (; rows >= NORMED && c <= SHORT; rows -= NORMED, x += NORMED * c, y += NORMED * c) normrows(NORMED, act, x, gamma, beta, eps, c, y);
    for (; rows > 0; rows--, x += c, y += c) normrows(1, act, x, gamma, beta, eps, c, y);
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

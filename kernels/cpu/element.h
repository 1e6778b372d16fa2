// Ops on elements: sums, activations, fills and changes of type. The last, partial vector goes
// through the same expressions as the others, so that an element's result does not depend on its
// place.

// y = a + alpha b for n elements; b has lb elements, starts at element b0 and begins again at its
// end.
static void add(const float *a, const float *b, long lb, long b0, float alpha, float *y, long n) {
    while (n > 0) {
        long m = lb - b0 < n ? lb - b0 : n, i = 0;
        const float *p = b + b0;
        for (; i + VL <= m; i += VL) vstore(y + i, vload(a + i) + alpha * vload(p + i));
        if (i < m) vstore_n(y + i, vload_n(a + i, m - i) + alpha * vload_n(p + i, m - i), m - i);
        a += m, y += m, n -= m, b0 = 0;
    }
}

// y = scale act(x) + bias
static inline void activate_as(int act, const float *x, float scale, float bias, float *y, long n) {
    long i = 0;
    for (; i + VL <= n; i += VL) vstore(y + i, scale * vact(vload(x + i), act) + bias);
    if (i < n) vstore_n(y + i, scale * vact(vload_n(x + i, n - i), act) + bias, n - i);
}

static void activate(const float *x, int act, float scale, float bias, float *y, long n) {
    switch (act) { // a loop for each, so that the choice is made once
    case ACT_RELU: activate_as(ACT_RELU, x, scale, bias, y, n); break;
    case ACT_GELU: activate_as(ACT_GELU, x, scale, bias, y, n); break;
    case ACT_SIGMOID: activate_as(ACT_SIGMOID, x, scale, bias, y, n); break;
    case ACT_STEP: activate_as(ACT_STEP, x, scale, bias, y, n); break;
    default: activate_as(ACT_NONE, x, scale, bias, y, n);
    }
}

static void fill(float *y, float value, long n) {
    long i = 0;
    for (; i + VL <= n; i += VL) vstore(y + i, vset(value));
    if (i < n) vstore_n(y + i, vset(value), n - i);
}

static inline uint32_t bitsof(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}
static inline float floatof(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}

// Nearest even: half of the last kept bit less one is added, and one more where that bit is set.
static inline uint16_t bf16of(float x) {
    uint32_t u = bitsof(x);
    return x != x ? u >> 16 | 0x40 : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

// Below 2^-14 halves are multiples of 2^-24, to which adding 1/2 rounds.
static inline uint16_t f16of(float x) {
    uint32_t u = bitsof(x), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
    if (a > 0x7f800000) return sign | 0x7e00;
    if (a >= 0x477ff000) return sign | 0x7c00; // from 65520 on
    if (a < 0x38800000) return sign | (bitsof(floatof(a) + 0.5f) - bitsof(0.5f));
    return sign | (a + 0xfff + (a >> 13 & 1) - (112u << 23)) >> 13;
}

static inline float floatoff16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h & 0x7c00, a = h & 0x7fff;
    if (e == 0) return floatof(sign | bitsof(a * 0x1p-24f));
    return floatof(sign | ((a << 13) + ((e == 0x7c00 ? 224u : 112u) << 23)));
}

static void tobf16(const float *x, uint16_t *y, long n) {
    for (long i = 0; i < n; i++) y[i] = bf16of(x[i]);
}

static void frombf16(const uint16_t *x, float *y, long n) {
    for (long i = 0; i < n; i++) y[i] = floatof((uint32_t)x[i] << 16);
}

static void tof16(const float *x, uint16_t *y, long n) {
    long i = 0;
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
#endif
    for (; i < n; i++) y[i] = f16of(x[i]);
}

static void fromf16(const uint16_t *x, float *y, long n) {
    long i = 0;
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i))));
#endif
    for (; i < n; i++) y[i] = floatoff16(x[i]);
}

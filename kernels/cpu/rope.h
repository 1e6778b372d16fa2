// Rotation of adjacent channel pairs: (a, b) becomes (a cos - b sin, a sin + b cos). A vector holds
// VL/2 pairs; the cosines are spread to both places of their pair, the sines too with the first
// negated, and the pairs swapped.

typedef float vhalf __attribute__((vector_size(2 * VL)));
typedef float vhalfu __attribute__((vector_size(2 * VL), aligned(4), may_alias));

#if VL == 4
#define TWICE(h) __builtin_shufflevector(h, h, 0, 0, 1, 1)
#define SWAPPED(v) __builtin_shufflevector(v, v, 1, 0, 3, 2)
#define ALTERNATE ((vf){-1, 1, -1, 1})
#elif VL == 8
#define TWICE(h) __builtin_shufflevector(h, h, 0, 0, 1, 1, 2, 2, 3, 3)
#define SWAPPED(v) __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6)
#define ALTERNATE ((vf){-1, 1, -1, 1, -1, 1, -1, 1})
#else
#define TWICE(h) __builtin_shufflevector(h, h, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7)
#define SWAPPED(v) __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#define ALTERNATE ((vf){-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1})
#endif

static inline vf rotate(vf x, vhalf cos, vhalf sin) {
    return x * TWICE(cos) + SWAPPED(x) * (TWICE(sin) * ALTERNATE);
}

// rope rotates rows r0..r1 of x [., d]; row r uses row r mod p of the tables [p, d/2].
static void rope(const float *x, const float *cos, const float *sin, long p, long r0, long r1, long d, float *y) {
    for (long r = r0; r < r1; r++) {
        const float *c = cos + r % p * (d / 2), *s = sin + r % p * (d / 2), *a = x + r * d;
        float *o = y + r * d;
        long i = 0;
        for (; i + VL <= d; i += VL)
            vstore(o + i, rotate(vload(a + i), *(const vhalfu *)(c + i / 2), *(const vhalfu *)(s + i / 2)));
        long n = d - i;
        if (n) {
            vhalf hc = {}, hs = {};
            memcpy(&hc, c + i / 2, 2 * n);
            memcpy(&hs, s + i / 2, 2 * n);
            vstore_n(o + i, rotate(vload_n(a + i, n), hc, hs), n);
        }
    }
}

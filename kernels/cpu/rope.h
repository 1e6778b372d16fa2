// Rotation of adjacent channel pairs: (a, b) becomes (a cos - b sin, a sin + b cos). A vector holds VL/2 pairs; the
// cosines are spread to both places of their pair, the sines too with the first negated, and the pairs swapped.

#if VL == 4
#define EACH_TWICE {0, 0, 1, 1}
#define SWAPPED {1, 0, 3, 2}
#elif VL == 8
#define EACH_TWICE {0, 0, 1, 1, 2, 2, 3, 3}
#define SWAPPED {1, 0, 3, 2, 5, 4, 7, 6}
#else
#define EACH_TWICE {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7}
#define SWAPPED {1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14}
#endif

static inline vf rotate(vf x, vf cos, vf sin) {
    const vi twice = EACH_TWICE, swap = SWAPPED;
    vi sign = (vi){} + INT32_MIN;
    sign &= (twice * 2 == (swap - 1)); // even lanes
    vf s = (vf)((vi)__builtin_shuffle(sin, twice) ^ sign);
    return x * __builtin_shuffle(cos, twice) + __builtin_shuffle(x, swap) * s;
}

// rope rotates rows r0..r1 of x [., d]; row r uses row r mod p of the tables [p, d/2].
static void rope(const float *x, const float *cos, const float *sin, long p, long r0, long r1, long d, float *y) {
    for (long r = r0; r < r1; r++) {
        const float *c = cos + r % p * (d / 2), *s = sin + r % p * (d / 2), *a = x + r * d;
        float *o = y + r * d;
        long i = 0;
        for (; i + VL <= d; i += VL)
            vstore(o + i, rotate(vload(a + i), vload_n(c + i / 2, VL / 2), vload_n(s + i / 2, VL / 2)));
        long n = d - i;
        if (n) vstore_n(o + i, rotate(vload_n(a + i, n), vload_n(c + i / 2, n / 2), vload_n(s + i / 2, n / 2)), n);
    }
}

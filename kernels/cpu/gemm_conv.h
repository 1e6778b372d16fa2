// Gathering and scattering of pixels around the products of convolutions.

// im2col writes rows o0..o1 of a matrix [oh * ow, kernel * kernel * c] whose row holds the pixels
// under the kernel, zeros outside the map x [h, w, c], rows ldd apart. Behind each row is room for
// a vector: a piece of it that lies whole inside the map is copied by vectors, over the edge of the
// piece.
static void im2col(float *dst, long ldd, const float *x, convshape s, long o0, long o1) {
    long line = s.kernel * s.c, end = s.h * s.w * s.c; // one row of the kernel; the map's end
    for (long o = o0; o < o1; o++, dst += ldd) {
        long y = o / s.ow * s.stride - s.pad, x0 = o % s.ow * s.stride - s.pad;
        long lo = x0 < 0 ? -x0 : 0, hi = s.w - x0 < s.kernel ? s.w - x0 : s.kernel; // columns inside
        for (long ky = 0; ky < s.kernel; ky++) {
            float *d = dst + ky * line;
            if (y + ky < 0 || y + ky >= s.h || lo >= hi) {
                memset(d, 0, 4 * line);
                continue;
            }
            long from = ((y + ky) * s.w + x0) * s.c;
            if (lo == 0 && hi == s.kernel && from + line + VL <= end) {
                for (long i = 0; i < line; i += VL) vstore(d + i, vload(x + from + i));
                continue;
            }
            memset(d, 0, 4 * lo * s.c);
            memcpy(d + lo * s.c, x + ((y + ky) * s.w + x0 + lo) * s.c, 4 * (hi - lo) * s.c);
            memset(d + hi * s.c, 0, 4 * (s.kernel - hi) * s.c);
        }
    }
}

// scatter takes rows r0..r1 of the product [pixels, (dy, dx, n)] of a map w pixels wide, at t, adds
// bias and res, and stores the n channels of each at (2y + dy, 2x + dx) of a map twice the size.
static void scatter(const float *t, long r0, long r1, long w, long n, const float *bias, const float *res, int act,
                    float *y) {
    for (long r = r0; r < r1; r++)
        for (long q = 0; q < 4; q++, t += n) {
            long o = ((2 * (r / w) + q / 2) * 2 * w + 2 * (r % w) + q % 2) * n;
            for (long j = 0; j < n; j += VL) {
                vf x = n - j >= VL ? vload(t + j) : vload_n(t + j, n - j);
                store(y + o + j, x, n - j, bias + j, res ? res + o + j : 0, act);
            }
        }
}

// Maps at half and twice their size.

// maxpool halves rows y0..y1 of the result of one picture x [., 2w, c].
static void maxpool(const float *x, long w, long c, long y0, long y1, float *y) {
    for (long o = y0 * w; o < y1 * w; o++) {
        const float *a = x + (o / w * 4 * w + o % w * 2) * c, *b = a + 2 * w * c;
        float *p = y + o * c;
        long i = 0;
        for (; i + VL <= c; i += VL)
            vstore(p + i, vmax(vmax(vload(a + i), vload(a + c + i)), vmax(vload(b + i), vload(b + c + i))));
        for (; i < c; i++) {
            float m = a[i] > a[c + i] ? a[i] : a[c + i], n = b[i] > b[c + i] ? b[i] : b[c + i];
            p[i] = m > n ? m : n;
        }
    }
}

// upsampleadd adds pixel (y/2, x/2) of top [., w/2, c] to pixel (y, x) of rows y0..y1.
static void upsampleadd(const float *x, const float *top, long w, long c, long y0, long y1, float *y) {
    for (long r = y0; r < y1; r++)
        for (long px = 0; px < w; px++) {
            long o = (r * w + px) * c;
            add(x + o, top + (r / 2 * (w / 2) + px / 2) * c, c, 0, 1, y + o, c);
        }
}

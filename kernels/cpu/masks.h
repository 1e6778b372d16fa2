// Questions about masks that need no mask in memory.

// maskbox finds the box of the elements > 0 in rows o0..o1 of an enlarged plane: x min, y min, x
// max, y max, with x max = -1 where there are none. The rows are those of resize, made one at a
// time.
static void maskbox(bilinear s, long o0, long o1, int32_t *box) {
    float *row = s.work + RESIZEROWS * s.ow, *top = row + s.ow; // top: the maximum of each column so far
    long y0 = -1, y1 = -1;
    fill(top, 0, s.ow);
    for (long o = o0; o < o1; o++) {
        blended(&s, o, row);
        vi any = {};
        long i = 0;
        for (; i + VL <= s.ow; i += VL) {
            vf v = vload(row + i);
            vstore(top + i, vmax(v, vload(top + i)));
            any |= v > 0;
        }
        int found = 0;
        for (int l = 0; l < VL; l++) found |= any[l];
        for (; i < s.ow; i++) {
            found |= row[i] > 0;
            if (row[i] > top[i]) top[i] = row[i];
        }
        if (found) {
            if (y0 < 0) y0 = o;
            y1 = o;
        }
    }
    long x0 = 0, x1 = s.ow - 1;
    while (x1 >= 0 && !(top[x1] > 0)) x1--;
    while (x0 < x1 && !(top[x0] > 0)) x0++;
    box[0] = x0, box[1] = y0, box[2] = x1, box[3] = y1;
}

// countabove counts the elements > threshold.
static long countabove(const float *x, long n, float threshold) {
    vi count = {};
    long i = 0, sum = 0;
    for (; i + VL <= n; i += VL) count -= vload(x + i) > threshold;
    for (int l = 0; l < VL; l++) sum += count[l];
    for (; i < n; i++) sum += x[i] > threshold;
    return sum;
}

// The ceiling: independent multiply-adds in registers (from different values, or the compiler makes
// them one). Returns the floating point operations done.
static double peak(long n, float *sink) {
    enum { CHAINS = 12 };
    vf acc[CHAINS], x = vset(0.999f), y = vset(0.001f);
    UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = vset(*sink + i);
    for (long s = 0; s < n; s++)
        UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = acc[i] * x + y;
    vf sum = acc[0];
    UNROLL for (int i = 1; i < CHAINS; i++) sum += acc[i];
    vstore(sink, sum);
    return 2.0 * CHAINS * VL * n;
}

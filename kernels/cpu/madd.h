// The step that every product is made of: one float, broadcast, times some vectors, added to sums
// that stay in registers.
//
// Written plainly, a compiler computes addresses anew for each of several steps and moves sums from
// register to register: 24 instructions and more for 12 multiply-adds, where 21 will do. A core
// that runs two threads has room for 18 in the time of those 12, so for AVX2 the two instructions
// are spelled out, with the address that is meant.

// broadcast is p[times * pitch + offset] in every lane. times is 0, 1 or 2; it and offset are
// constants.
static inline __attribute__((always_inline)) vf broadcast(const float *p, long pitch, const int times, const int offset) {
#if VL == 8 && defined(__AVX2__)
    vf x;
    switch (times) {
#define FROM(address) \
    __asm__("vbroadcastss %c2" address ", %0" : "=x"(x) : "r"(p), "i"(4 * offset), "r"(pitch), "m"(*(const float(*)[])p))
    case 0: FROM("(%1)"); break;
    case 1: FROM("(%1,%3,4)"); break;
    case 2: FROM("(%1,%3,8)"); break;
#undef FROM
    }
    return x;
#else
    return vset(p[times * pitch + offset]);
#endif
}

// madd is sum += x y.
static inline __attribute__((always_inline)) void madd(vf *sum, vf x, vf y) {
#if VL == 8 && defined(__AVX2__)
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(*sum) : "x"(x), "x"(y));
#else
    *sum += x * y;
#endif
}

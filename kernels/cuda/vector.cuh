// Four floats and one under the same names, so that a kernel is written once, for operands that can be read in vectors of 16
// bytes and for those that cannot.
#pragma once

static __device__ inline float plus(float a, float b) { return a + b; }
static __device__ inline float4 plus(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }

static __device__ inline float plus_times(float a, float s, float b) { return a + s * b; }
static __device__ inline float4 plus_times(float4 a, float s, float4 b) {
    return make_float4(a.x + s * b.x, a.y + s * b.y, a.z + s * b.z, a.w + s * b.w);
}
static __device__ inline float4 plus_times(float4 a, float4 s, float4 b) {
    return make_float4(a.x + s.x * b.x, a.y + s.y * b.y, a.z + s.z * b.z, a.w + s.w * b.w);
}

static __device__ inline float larger(float a, float b) { return fmaxf(a, b); }
static __device__ inline float4 larger(float4 a, float4 b) {
    return make_float4(fmaxf(a.x, b.x), fmaxf(a.y, b.y), fmaxf(a.z, b.z), fmaxf(a.w, b.w));
}

// Operators on vectors, wide loads and stores, pairs of halves.
// launch: k<<<1, 32>>>(x = float32[128]:random, y = float32[128], h = float16[64]:random, b = uint8[128])
#include <cuda_fp16.h>
inline __host__ __device__ float4 operator+(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }
inline __host__ __device__ float4 operator*(float s, const float4& a) { return make_float4(s * a.x, s * a.y, s * a.z, s * a.w); }
inline __device__ void operator+=(float4& a, float4 b) { a.x += b.x; a.y += b.y; a.z += b.z; a.w += b.w; }
extern "C" __global__ void k(const float* x, float* y, half* h, unsigned char* b) {
    int t = threadIdx.x;
    float4 v = __ldg(reinterpret_cast<const float4*>(x) + t), w = reinterpret_cast<const float4*>(x)[31 - t];
    v += 2.0f * w + v;
    __stcs(reinterpret_cast<float4*>(y) + t, v);
    half2 p = reinterpret_cast<half2*>(h)[t];
    p = __hfma2(p, __float2half2_rn(2.f), __half2half2(__float2half(1.f)));
    reinterpret_cast<half2*>(h)[t] = p;
    uchar4 c = make_uchar4(t, t + 1, t + 2, 255);
    ((uchar4*)b)[t] = c;
    b[4 * t + 1] ^= 1;
}

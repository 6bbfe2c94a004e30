// launch: layer_norm<<<4, 64>>>(x = float16[4, 128]:normal, y = float16[4, 128])
#include <cuda_fp16.h>
extern "C" __global__ void layer_norm(const half* x, half* y) {
    const half2* row = reinterpret_cast<const half2*>(x + blockIdx.x * 128);
    half2* out = reinterpret_cast<half2*>(y + blockIdx.x * 128);
    __shared__ float sums[2][2];
    float2 v = __half22float2(row[threadIdx.x]);
    float s = v.x + v.y, q = v.x * v.x + v.y * v.y;
    for (int o = 16; o > 0; o /= 2) {
        s += __shfl_xor_sync(~0u, s, o);
        q += __shfl_xor_sync(~0u, q, o);
    }
    if (threadIdx.x % 32 == 0) sums[0][threadIdx.x / 32] = s, sums[1][threadIdx.x / 32] = q;
    __syncthreads();
    float mean = (sums[0][0] + sums[0][1]) / 128, var = (sums[1][0] + sums[1][1]) / 128 - mean * mean;
    float scale = rsqrtf(var + 1e-5f);
    out[threadIdx.x] = __floats2half2_rn((v.x - mean) * scale, (v.y - mean) * scale);
}

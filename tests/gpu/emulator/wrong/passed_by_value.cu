// Vectors that are passed to a function, and assigned from one, are reads and writes like others.
// launch: k<<<1, 64>>>(y = float32[64])
// finds: race 11
__device__ __noinline__ float4 twice(float4 v) { return make_float4(2 * v.x, 2 * v.y, 2 * v.z, 2 * v.w); }
__device__ __noinline__ float sum(float4 v) { return v.x + v.y + v.z + v.w; }
__device__ __noinline__ float4 spread(float x) { return make_float4(x, x, x, x); }
extern "C" __global__ void k(float* y) {
    __shared__ float4 s[64];
    int t = threadIdx.x;
    s[t] = spread(t);
    s[t] = twice(s[63 - t]);
    __syncthreads();
    y[t] = sum(s[t]);
}

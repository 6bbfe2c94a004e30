// The maximum: the last block to be done looks at what the blocks have left.
// launch: largest<<<5, 64>>>(x = float32[777]:normal, part = float32[5], out = float32[1], n = 777)
// instead of `__threadfence();` write `` finds race at `v = fmaxf(v, part[b]);`
// instead of `atomicInc(&done, gridDim.x - 1) == gridDim.x - 1` write `done++ == gridDim.x - 1` finds race at `last = done++`
// instead of `__syncthreads();  // last` write `` finds race at `if (!last) return;`
__device__ unsigned int done = 0;
__inline__ __device__ float block_max(float v) {
    static __shared__ float s[32];
    int lane = threadIdx.x % warpSize, w = threadIdx.x / warpSize;
    for (int o = 16; o; o >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, o));
    __syncthreads();
    if (lane == 0) s[w] = v;
    __syncthreads();
    v = threadIdx.x < blockDim.x / warpSize ? s[lane] : -INFINITY;
    if (w == 0)
        for (int o = 16; o; o >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, o));
    return v;
}
extern "C" __global__ void largest(const float* x, float* part, float* out, int n) {
    __shared__ bool last;
    float v = -INFINITY;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) v = fmaxf(v, x[i]);
    v = block_max(v);
    if (threadIdx.x == 0) {
        part[blockIdx.x] = v;
        __threadfence();
        last = atomicInc(&done, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();  // last
    if (!last) return;
    __threadfence();
    v = -INFINITY;
    for (int b = threadIdx.x; b < gridDim.x; b += blockDim.x)
        v = fmaxf(v, part[b]);
    v = block_max(v);
    if (threadIdx.x == 0) *out = v;
}

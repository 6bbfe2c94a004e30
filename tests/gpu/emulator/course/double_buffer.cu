// While one tile is added up the next one is on its way: copies in the background, in two buffers.
// launch: sums<<<2, 32>>>(x = float32[512]:random, out = float32[2], tiles = 8)
// instead of `__pipeline_wait_prior(1);` write `` finds unfinished copy at `sum += buffer[t & 1]`
// instead of `__pipeline_wait_prior(1);` write `__pipeline_wait_prior(2);` finds unfinished copy at `sum += buffer[t & 1]`
// instead of `__syncthreads();  // arrived` write `` finds race at `sum += buffer[t & 1]`
// instead of `__syncthreads();  // used` write `` finds unfinished copy at `sum += buffer[t & 1]`
#include <cuda_pipeline.h>
__device__ void fetch(float* to, const float* from) {
    __pipeline_memcpy_async(to + threadIdx.x, from + threadIdx.x, sizeof(float));
    __pipeline_commit();
}
extern "C" __global__ void sums(const float* x, float* out, int tiles) {
    __shared__ float buffer[2][32];
    x += blockIdx.x * tiles * 32;
    fetch(buffer[0], x);
    float sum = 0;
    for (int t = 0; t < tiles; t++) {
        if (t + 1 < tiles) fetch(buffer[(t + 1) & 1], x + (t + 1) * 32);
        else __pipeline_commit();
        __pipeline_wait_prior(1);
        __syncthreads();  // arrived
        sum += buffer[t & 1][31 - threadIdx.x];
        __syncthreads();  // used
    }
    for (int o = 16; o; o /= 2) sum += __shfl_xor_sync(~0u, sum, o);
    if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

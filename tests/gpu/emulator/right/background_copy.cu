// launch: stage<<<2, 64>>>(x = float32[128]:random, y = float32[128])
#include <cuda_pipeline.h>
extern "C" __global__ void stage(const float* x, float* y) {
    __shared__ float s[64];
    int i = blockIdx.x * 64 + threadIdx.x;
    __pipeline_memcpy_async(&s[threadIdx.x], &x[i], sizeof(float));
    __pipeline_commit();
    __pipeline_wait_prior(0);
    __syncthreads();
    y[i] = s[63 - threadIdx.x];
}

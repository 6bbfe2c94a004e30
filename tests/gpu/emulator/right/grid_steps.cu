// Steps of diffusion in one launch, back and forth between two arrays; dynamic shared memory holds the tile with its halo.
// cooperative launch: diffuse<<<4, 32, 136>>>(a = float32[128]:random, b = float32[128], steps = 5)
#include <cooperative_groups.h>
extern "C" __global__ void diffuse(float* a, float* b, int steps) {
    extern __shared__ float tile[];
    int n = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x, t = threadIdx.x + 1;
    for (int k = 0; k < steps; k++) {
        tile[t] = a[i];
        if (threadIdx.x == 0) tile[0] = i > 0 ? a[i - 1] : 0;
        if (threadIdx.x == blockDim.x - 1) tile[t + 1] = i + 1 < n ? a[i + 1] : 0;
        __syncthreads();
        b[i] = 0.5f * tile[t] + 0.25f * (tile[t - 1] + tile[t + 1]);
        float* other = a;
        a = b;
        b = other;
        cooperative_groups::this_grid().sync();
    }
}

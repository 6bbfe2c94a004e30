// All blocks add up their parts, meet, and scale by the sum of all; what they have in shared memory is theirs meanwhile.
// cooperative launch: scale<<<6, 64>>>(x = float32[1000]:random, partial = float32[6], y = float32[1000], n = 1000)
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
extern "C" __global__ void scale(const float* x, float* partial, float* y, int n) {
    __shared__ float s[64];
    cg::grid_group grid = cg::this_grid();
    float sum = 0;
    for (int i = grid.thread_rank(); i < n; i += grid.size()) sum += x[i];
    s[threadIdx.x] = sum;
    __syncthreads();
    for (int k = 32; k > 0; k /= 2) {
        if (threadIdx.x < k) s[threadIdx.x] += s[threadIdx.x + k];
        __syncthreads();
    }
    if (threadIdx.x == 0) partial[blockIdx.x] = s[0];
    grid.sync();
    float total = 0;
    for (int b = 0; b < gridDim.x; b++) total += partial[b];
    for (int i = grid.thread_rank(); i < n; i += grid.size()) y[i] = x[i] / total + 0 * s[0];
}

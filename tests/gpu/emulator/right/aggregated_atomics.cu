// One atomic operation for all lanes of a warp that want one.
// launch: compact<<<2, 64>>>(x = int32[128]:random, y = int32[128], n = int32[1])
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
__device__ int next(int* counter) {
    cg::coalesced_group g = cg::coalesced_threads();
    int first = 0;
    if (g.thread_rank() == 0) first = atomicAdd(counter, (int)g.size());
    return g.shfl(first, 0) + g.thread_rank();
}
extern "C" __global__ void compact(const int* x, int* y, int* n) {
    int v = x[blockIdx.x * blockDim.x + threadIdx.x];
    if (v % 2) y[next(n)] = v;
}

// A block without work returns, and all others wait for it.
// cooperative launch: k<<<4, 32>>>(x = int32[128], n = 96)
// finds: deadlock 9
#include <cooperative_groups.h>
extern "C" __global__ void k(int* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    x[i] = i;
    cooperative_groups::this_grid().sync();
    x[i] += 1;
}

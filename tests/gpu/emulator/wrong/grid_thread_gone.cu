// Threads beyond the end return before the barrier of the grid.
// cooperative launch: k<<<2, 64>>>(x = int32[100], y = int32[100], n = 100)
// finds: missed barrier 9
#include <cooperative_groups.h>
extern "C" __global__ void k(int* x, int* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    x[i] = i;
    cooperative_groups::this_grid().sync();
    y[i] = x[n - 1 - i];
}

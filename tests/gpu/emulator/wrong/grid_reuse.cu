// A second barrier is missing: an early block begins the next step while others still read this one.
// cooperative launch: k<<<3, 32>>>(a = int32[96]:arange, steps = 2)
// finds: race 10
#include <cooperative_groups.h>
extern "C" __global__ void k(int* a, int steps) {
    int n = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x;
    for (int s = 0; s < steps; s++) {
        int next = a[(i + 32) % n] + 1;
        if (s == 0) cooperative_groups::this_grid().sync();
        a[i] = next;
    }
}

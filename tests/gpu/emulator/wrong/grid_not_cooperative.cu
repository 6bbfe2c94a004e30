// The launch does not say that all blocks must be there at once.
// launch: k<<<2, 32>>>(x = int32[64])
// finds: trap 7
#include <cooperative_groups.h>
extern "C" __global__ void k(int* x) {
    x[cooperative_groups::this_grid().thread_rank()] = 1;
    cooperative_groups::this_grid().sync();
}

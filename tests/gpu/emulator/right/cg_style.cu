// Cooperative groups: tiles of a block, a scan, and the lanes that happen to be together.
// launch: k<<<2, 96>>>(x = int32[192]:random, y = int32[192], sum = int32[1])
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
namespace cg = cooperative_groups;
__device__ int group_sum(cg::thread_block_tile<16> g, int v) {
    for (int o = g.size() / 2; o > 0; o /= 2) v += g.shfl_down(v, o);
    return g.shfl(v, 0);
}
extern "C" __global__ void k(const int* x, int* y, int* sum) {
    cg::thread_block b = cg::this_thread_block();
    auto warp = cg::tiled_partition<32>(b);
    auto half = cg::tiled_partition<16>(warp);
    __shared__ int part[3];
    int i = blockIdx.x * b.size() + b.thread_rank(), v = x[i];
    int s = group_sum(half, v), scan = cg::inclusive_scan(warp, v, cg::plus<int>());
    int total = cg::reduce(warp, v, cg::plus<int>());
    if (warp.thread_rank() == 0) part[warp.meta_group_rank()] = total;
    b.sync();
    if (v % 2) {
        auto active = cg::coalesced_threads();
        int base = 0;
        if (active.thread_rank() == 0) base = atomicAdd(sum, active.size());
        base = active.shfl(base, 0);
        s += 0 * (base + active.thread_rank());
    }
    y[i] = s + scan + part[0] + part[1] + part[2];
}

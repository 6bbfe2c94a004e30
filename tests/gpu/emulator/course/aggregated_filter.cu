// Keep what is positive: one atomic operation for each warp.
// launch: keep<<<3, 64>>>(x = float32[180]:normal, y = float32[180], count = int32[1], n = 180)
// instead of `int base = 0;` write `int base;\n    if (lane == leader) base = *count;` finds race at `base = *count;`
// instead of `base = atomicAdd(count, __popc(mask));` write `base = *count, *count += __popc(mask);` finds race at `base = *count,`
// instead of `__ballot_sync(0xffffffff, wanted)` write `__ballot_sync(0x7fffffff, wanted)` finds warp mask at `unsigned mask =`
// instead of `y[base + __popc(mask & below)] = v;` write `y[base] = v;` finds race at `y[base] = v;`
extern "C" __global__ void keep(const float* x, float* y, int* count, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x & 31;
    float v = i < n ? x[i] : 0.0f;
    bool wanted = v > 0;
    unsigned mask = __ballot_sync(0xffffffff, wanted);
    int leader = __ffs(mask) - 1;
    if (!mask) return;
    int base = 0;
    if (lane == leader)
        base = atomicAdd(count, __popc(mask));
    base = __shfl_sync(0xffffffff, base, leader);
    unsigned below = (1u << lane) - 1;
    if (wanted)
        y[base + __popc(mask & below)] = v;
}

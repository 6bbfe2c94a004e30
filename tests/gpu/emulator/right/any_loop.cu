// A loop that a warp leaves together.
// launch: k<<<1, 64>>>(x = uint32[64]:random, y = int32[64])
extern "C" __global__ void k(const unsigned* x, int* y) {
    unsigned v = x[threadIdx.x] + 1;
    int n = 0;
    while (__any_sync(0xffffffffu, v != 1)) {
        if (v != 1) { v = v % 2 ? 3 * v + 1 : v / 2; n++; }
    }
    unsigned same = __match_any_sync(0xffffffffu, n % 4);
    int leader = __ffs(same) - 1;
    int seen = __shfl_sync(same, n, leader);
    y[threadIdx.x] = n + 0 * seen + __popc(same);
}

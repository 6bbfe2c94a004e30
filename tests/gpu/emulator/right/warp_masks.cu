// Half a warp does something of its own, with a mask that names it.
// launch: halves<<<1, 48>>>(x = int32[48]:random, y = int32[48])
extern "C" __global__ void halves(const int* x, int* y) {
    int lane = threadIdx.x % 32, v = x[threadIdx.x];
    unsigned mask = lane < 16 ? 0x0000ffffu : 0xffff0000u;
    for (int o = 8; o > 0; o /= 2) v += __shfl_down_sync(mask, v, o, 16);
    y[threadIdx.x] = __shfl_sync(mask, v, 0, 16);
}

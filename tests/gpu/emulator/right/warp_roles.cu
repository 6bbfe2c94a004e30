// One warp fills a buffer and another one empties it; flags in shared memory say when.
// launch: roles<<<1, 64>>>(x = int32[128]:random, y = int32[128])
extern "C" __global__ void roles(const int* x, int* y) {
    __shared__ int buf[32];
    __shared__ volatile int full, empty;
    if (threadIdx.x == 0) full = 0, empty = 1;
    __syncthreads();
    int lane = threadIdx.x % 32;
    for (int k = 0; k < 4; k++) {
        if (threadIdx.x < 32) {
            while (empty != k + 1) {}
            __threadfence_block();
            __syncwarp();
            buf[lane] = x[k * 32 + lane];
            __threadfence_block();
            __syncwarp();
            if (lane == 0) full = k + 1;
        } else {
            while (full != k + 1) {}
            __threadfence_block();
            __syncwarp();
            y[k * 32 + lane] = buf[31 - lane];
            __threadfence_block();
            __syncwarp();
            if (lane == 0) empty = k + 2;
        }
    }
}

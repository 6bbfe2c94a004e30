// Even blocks make what odd blocks use, each behind a flag.
// launch: k<<<6, 32>>>(x = float32[96]:random, buffer = float32[96], ready = int32[3], y = float32[96])
// instead of `__threadfence();  // made` write `` finds race at `y[i] = buffer[i] + 1;`
// instead of `while (*(volatile int*)&ready[pair] == 0) {}` write `` finds race at `y[i] = buffer[i] + 1;`
// instead of `__syncthreads();  // seen` write `` finds race at `y[i] = buffer[i] + 1;`
extern "C" __global__ void k(const float* x, float* buffer, int* ready, float* y) {
    int pair = blockIdx.x / 2, i = pair * 32 + threadIdx.x;
    if (blockIdx.x % 2 == 0) {
        buffer[i] = 2 * x[i];
        __threadfence();  // made
        __syncthreads();
        if (threadIdx.x == 0) atomicExch(&ready[pair], 1);
    } else {
        if (threadIdx.x == 0) {
            while (*(volatile int*)&ready[pair] == 0) {}
            __threadfence();
        }
        __syncthreads();  // seen
        y[i] = buffer[i] + 1;
    }
}

// A barrier of the whole grid made of an atomic counter: it works where all blocks are there at once.
// cooperative launch: k<<<5, 32>>>(x = int32[160]:arange, y = int32[160], arrived = uint32[1], open = uint32[1])
extern "C" __global__ void k(int* x, int* y, unsigned* arrived, volatile unsigned* open) {
    int n = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x;
    x[i] *= 2;
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        if (atomicAdd(arrived, 1u) == gridDim.x - 1) {
            __threadfence();
            *open = 1;
        } else {
            while (*open == 0) {
            }
            __threadfence();
        }
    }
    __syncthreads();
    y[i] = x[n - 1 - i];
}

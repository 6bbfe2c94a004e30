// The barrier between the two halves is that of a block, but what is read is from all of them.
// cooperative launch: k<<<4, 32>>>(x = float32[128]:random, y = float32[128])
// finds: race 7
extern "C" __global__ void k(float* x, float* y) {
    int n = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = 2 * x[i];
    __syncthreads(), x[i] = y[n - 1 - i];
}

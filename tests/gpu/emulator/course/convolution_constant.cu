// A convolution in one dimension: the filter in constant memory, the signal with its border in shared memory.
// launch: convolve<<<3, 64, 288>>>(x = float32[150]:random, y = float32[150], n = 150)
// instead of `k <= 2 * R` write `k <= 2 * R + 1` finds out of bounds at `sum += filter[k]`
// instead of `__syncthreads();` write `` finds race at `sum += filter[k]`
// instead of `i < blockDim.x + 2 * R` write `i < blockDim.x + R` finds uninitialised at `sum += filter[k]`
// instead of `if (g < n)` write `filter[0] = 1;\n    if (g < n)` finds constant memory at `filter[0] = 1;`
#define R 4
__constant__ float filter[2 * R + 1] = {1, 2, 3, 4, 5, 4, 3, 2, 1};
extern __shared__ float tile[];
extern "C" __global__ void convolve(const float* x, float* y, int n) {
    int base = blockIdx.x * blockDim.x, g = base + threadIdx.x;
    for (int i = threadIdx.x; i < blockDim.x + 2 * R; i += blockDim.x) {
        int k = base + i - R;
        tile[i] = (k >= 0 && k < n) ? x[k] : 0.0f;
    }
    __syncthreads();
    float sum = 0;
    for (int k = 0; k <= 2 * R; k++)
        sum += filter[k] * tile[threadIdx.x + k];
    if (g < n)
        y[g] = sum;
}

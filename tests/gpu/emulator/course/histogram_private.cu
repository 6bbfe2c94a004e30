// Each block counts in shared memory of its own, and adds what it has to the counts of all.
// launch: histogram<<<4, 64>>>(data = uint8[1000]:random, bins = uint32[16], n = 1000)
// instead of `atomicAdd(&local[data[i] / 7], 1u);` write `local[data[i] / 7]++;` finds race at `local[data[i] / 7]++;`
// instead of `__syncthreads();  // zeros` write `` finds race at `atomicAdd(&local`
// instead of `__syncthreads();  // counted` write `` finds race at `atomicAdd(&bins`
// instead of `local[b] = 0;` write `(void)b;` finds uninitialised at `atomicAdd(&local`
// instead of `data[i] / 7` write `data[i] / 6` finds out of bounds at `atomicAdd(&local`
constexpr int BINS = 16;
__global__ void histogram(const unsigned char* data, unsigned int* bins, int n) {
    __shared__ unsigned int local[BINS];
    for (int b = threadIdx.x; b < BINS; b += blockDim.x)
        local[b] = 0;
    __syncthreads();  // zeros
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(&local[data[i] / 7], 1u);
    __syncthreads();  // counted
    for (int b = threadIdx.x; b < BINS; b += blockDim.x)
        atomicAdd(&bins[b], local[b]);
}

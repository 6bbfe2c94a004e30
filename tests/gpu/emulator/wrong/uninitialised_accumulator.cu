// launch: counts<<<1, 64>>>(x = int32[64]:random, out = int32[8])
// finds: uninitialised 7
extern "C" __global__ void counts(const int* x, int* out) {
    __shared__ int bins[8];
    if (threadIdx.x < 7) bins[threadIdx.x] = 0;
    __syncthreads();
    if (x[threadIdx.x] >= 0) atomicAdd(&bins[threadIdx.x % 8], 1);
    __syncthreads();
    if (threadIdx.x < 8) out[threadIdx.x] = bins[threadIdx.x];
}

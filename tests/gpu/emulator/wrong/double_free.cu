// All threads of the block give back what one of them has taken.
// launch: k<<<1, 32>>>(out = int32[32])
// finds: double free 11
extern "C" __global__ void k(int* out) {
    __shared__ int* data;
    if (threadIdx.x == 0) data = (int*)malloc(128);
    __syncthreads();
    data[threadIdx.x] = threadIdx.x;
    out[threadIdx.x] = data[threadIdx.x];
    __syncthreads();
    free(data);
}

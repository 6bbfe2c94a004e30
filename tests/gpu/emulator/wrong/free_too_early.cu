// The memory is given back while others may not have read it yet.
// launch: k<<<1, 64>>>(out = int32[64])
// finds: race 10
extern "C" __global__ void k(int* out) {
    __shared__ int* data;
    if (threadIdx.x == 63) data = (int*)malloc(256);
    __syncthreads();
    data[threadIdx.x] = threadIdx.x;
    out[threadIdx.x] = data[threadIdx.x];
    if (threadIdx.x == 63) free(data);
}

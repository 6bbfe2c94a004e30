// One thread fills what all of them read.
// launch: k<<<1, 64>>>(out = int32[64])
// finds: race 9
extern "C" __global__ void k(int* out) {
    __shared__ int* data;
    if (threadIdx.x == 0) data = (int*)malloc(4);
    __syncthreads();
    if (threadIdx.x == 40) data[0] = 5;
    out[threadIdx.x] = data[0];
    __syncthreads();
    if (threadIdx.x == 0) free(data);
}

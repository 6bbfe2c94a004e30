// A thread takes memory for its block, all use it, and when all are done it gives it back.
// launch: sums<<<3, 64>>>(x = int32[192]:arange, out = int32[3])
extern "C" __global__ void sums(const int* x, int* out) {
    __shared__ int* data;
    if (threadIdx.x == 0) data = (int*)malloc(blockDim.x * sizeof(int));
    __syncthreads();
    if (data == NULL) return;
    data[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    if (threadIdx.x == 0) {
        int sum = 0;
        for (int i = 0; i < blockDim.x; i++) sum += data[i];
        out[blockIdx.x] = sum;
        free(data);
    }
}

// The last block adds up, but nothing says that it sees what the others wrote.
// launch: total<<<4, 32>>>(partial = float32[4], count = int32[1], out = float32[1])
// finds: race 11
extern "C" __global__ void total(float* partial, int* count, float* out) {
    if (threadIdx.x) return;
    partial[blockIdx.x] = blockIdx.x;
    int ticket = atomicAdd(count, 1);
    if (ticket == gridDim.x - 1) {
        float sum = 0;
        for (int b = 0; b < gridDim.x; b++)
            sum += partial[b];
        *out = sum;
    }
}

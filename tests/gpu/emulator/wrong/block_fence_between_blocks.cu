// A fence for the block does not reach the other blocks.
// launch: total<<<4, 32>>>(partial = float32[4], count = int32[1], out = float32[1])
// finds: race 10
extern "C" __global__ void total(float* partial, int* count, float* out) {
    if (threadIdx.x) return;
    partial[blockIdx.x] = blockIdx.x;
    __threadfence_block();
    if (atomicAdd(count, 1) == gridDim.x - 1) {
        float sum = 0;
        for (int b = 0; b < gridDim.x; b++) sum += partial[b];
        *out = sum;
    }
}

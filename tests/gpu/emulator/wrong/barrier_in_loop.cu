// Threads go round the loop a different number of times.
// launch: loops<<<1, 64>>>(x = float32[64]:random)
// finds: missed barrier 6
extern "C" __global__ void loops(float* x) {
    for (int i = 0; i < threadIdx.x / 32 + 1; i++) {
        __syncthreads();
        x[threadIdx.x] += i;
    }
}

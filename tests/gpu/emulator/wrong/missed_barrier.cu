// launch: some<<<1, 64>>>(x = float32[64]:random, n = 40)
// finds: missed barrier 5
extern "C" __global__ void some(float* x, int n) {
    if (threadIdx.x >= n) return;
    __syncthreads();
    x[threadIdx.x] += 1;
}

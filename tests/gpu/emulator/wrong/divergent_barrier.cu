// launch: parts<<<1, 64>>>(x = float32[64]:random)
// finds: divergent barrier 8
extern "C" __global__ void parts(float* x) {
    if (threadIdx.x < 32) {
        x[threadIdx.x] += 1;
        __syncthreads();
    } else {
        __syncthreads();
    }
    x[threadIdx.x] *= 2;
}

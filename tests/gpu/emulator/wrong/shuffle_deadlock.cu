// launch: halves<<<1, 32>>>(x = float32[32]:random)
// finds: deadlock 5
extern "C" __global__ void halves(float* x) {
    float v = x[threadIdx.x];
    if (threadIdx.x < 16) v += __shfl_down_sync(0xffffffff, v, 8);
    __syncthreads();
    x[threadIdx.x] = v;
}

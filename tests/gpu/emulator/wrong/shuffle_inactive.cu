// launch: first<<<1, 32>>>(x = float32[32]:random)
// finds: inactive lane 5
extern "C" __global__ void first(float* x) {
    float v = x[threadIdx.x];
    if (threadIdx.x < 16) v = __shfl_sync(0x0000ffff, v, 20);
    x[threadIdx.x] = v;
}

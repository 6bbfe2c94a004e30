// launch: shift<<<1, 32>>>(x = float32[32]:random)
// finds: out of bounds 5
extern "C" __global__ void shift(float* x) {
    __shared__ float s[32], t[32];
    s[threadIdx.x + 1] = x[threadIdx.x];
    t[threadIdx.x] = 0;
    __syncthreads();
    x[threadIdx.x] = t[threadIdx.x];
}

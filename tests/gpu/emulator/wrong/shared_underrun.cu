// launch: shift<<<1, 32>>>(x = float32[32]:random)
// finds: out of bounds 7
extern "C" __global__ void shift(float* x) {
    __shared__ float s[32];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[(int)threadIdx.x - 1];
}

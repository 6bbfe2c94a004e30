// launch: stage<<<1, 64, 128>>>(x = float32[64]:random)
// finds: out of bounds 5
extern "C" __global__ void stage(float* x) {
    extern __shared__ float s[];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[threadIdx.x];
}

// launch: quads<<<1, 32>>>(x = float32[32]:random, y = float32[128])
// finds: uninitialised 8
extern "C" __global__ void quads(const float* x, float4* y) {
    __shared__ float4 s[32];
    s[threadIdx.x].x = x[threadIdx.x];
    s[threadIdx.x].y = 0;
    __syncthreads();
    y[threadIdx.x] = s[31 - threadIdx.x];
}

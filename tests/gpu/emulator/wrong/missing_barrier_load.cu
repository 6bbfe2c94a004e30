// launch: reverse<<<1, 64>>>(x = float32[64]:random)
// finds: race 6
extern "C" __global__ void reverse(float* x) {
    __shared__ float s[64];
    s[threadIdx.x] = x[threadIdx.x];
    x[threadIdx.x] = s[63 - threadIdx.x];
}

// launch: wide<<<1, 8>>>(x = float32[33]:random, y = float32[32])
// finds: misaligned 4
extern "C" __global__ void wide(const float* x, float4* y) {
    y[threadIdx.x] = reinterpret_cast<const float4*>(x + 1)[threadIdx.x];
}

// launch: total<<<4, 32>>>(x = float32[128]:random, out = float32[1])
// finds: race 6
extern "C" __global__ void total(const float* x, float* out) {
    float v = x[blockIdx.x * 32 + threadIdx.x];
    for (int o = 16; o > 0; o /= 2) v += __shfl_down_sync(0xffffffff, v, o);
    if (threadIdx.x == 0) *out += v;
}

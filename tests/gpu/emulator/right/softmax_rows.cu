// launch: softmax<<<8, 128>>>(x = float32[8, 1000]:normal, y = float32[8, 1000], n = 1000)
template <typename F> __device__ float block_reduce(float v, F op, float identity) {
    __shared__ float part[32];
    for (int o = 16; o > 0; o >>= 1) v = op(v, __shfl_xor_sync(0xffffffffu, v, o));
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
    __syncthreads();
    v = threadIdx.x % 32 < blockDim.x / 32 ? part[threadIdx.x % 32] : identity;
    for (int o = 16; o > 0; o >>= 1) v = op(v, __shfl_xor_sync(0xffffffffu, v, o));
    __syncthreads();
    return v;
}
extern "C" __global__ void softmax(const float* x, float* y, int n) {
    x += (size_t)blockIdx.x * n;
    y += (size_t)blockIdx.x * n;
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) m = fmaxf(m, x[i]);
    m = block_reduce(m, [](float a, float b) { return fmaxf(a, b); }, -INFINITY);
    for (int i = threadIdx.x; i < n; i += blockDim.x) s += __expf(x[i] - m);
    s = block_reduce(s, [](float a, float b) { return a + b; }, 0.0f);
    for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = __expf(x[i] - m) / s;
}

// Mean and variance as Welford has them, merged by shuffles and through shared memory.
// launch: layer_norm<<<3, 96>>>(x = float32[3, 250]:random, y = float32[3, 250], n = 250, eps = 0.00001)
// instead of `__syncthreads();  // warps` write `` finds race at `all = merge(all, part[k]);`
// instead of `__syncthreads();  // known` write `` finds race at `y[i] =`
// instead of `part[w] = a;` write `(void)w;` finds uninitialised at `all = merge(all, part[k]);`
struct Welford {
    float mean, m2;
    int n;
};
__device__ Welford merge(Welford a, Welford b) {
    int n = a.n + b.n;
    if (n == 0) return a;
    float d = b.mean - a.mean;
    return {a.mean + d * b.n / n, a.m2 + b.m2 + d * d * a.n * b.n / n, n};
}
extern "C" __global__ void layer_norm(const float* x, float* y, int n, float eps) {
    __shared__ Welford part[3];
    __shared__ float mean, scale;
    x += blockIdx.x * n, y += blockIdx.x * n;
    Welford a = {0, 0, 0};
    for (int i = threadIdx.x; i < n; i += blockDim.x) a = merge(a, {x[i], 0.0f, 1});
    for (int o = 16; o > 0; o /= 2) {
        Welford b = {__shfl_down_sync(~0u, a.mean, o), __shfl_down_sync(~0u, a.m2, o), __shfl_down_sync(~0u, a.n, o)};
        a = merge(a, b);
    }
    int w = threadIdx.x / 32;
    if (threadIdx.x % 32 == 0)
        part[w] = a;
    __syncthreads();  // warps
    if (threadIdx.x == 0) {
        Welford all = {0, 0, 0};
        for (int k = 0; k < 3; k++)
            all = merge(all, part[k]);
        mean = all.mean;
        scale = rsqrtf(all.m2 / n + eps);
    }
    __syncthreads();  // known
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        y[i] = (x[i] - mean) * scale;
}

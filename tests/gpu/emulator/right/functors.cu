// Functors, lambdas, a template over types, sizes and operations.
// launch: apply<Square><<<2, 32>>>(x = float32[64]:random, y = float32[64])
// launch: reduce<float, 64, Add><<<2, 64>>>(x = float32[128]:random, y = float32[2])
#include <cuda_runtime.h>
struct Square { __host__ __device__ float operator()(float v) const { return v * v; } };
struct Add { template <class T> __device__ T operator()(T a, T b) const { return a + b; } };
template <class F> __global__ void apply(const float* x, float* y) {
    F f; auto g = [=] (float v) { return f(v) + 1; };
    const auto i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = g(x[i]);
}
template <class T> struct SharedMemory { __device__ operator T*() { extern __shared__ int __smem[]; return (T*)__smem; } };
template <typename T, unsigned N, typename Op> __device__ T block_reduce(T v) {
    __shared__ T s[N];
    Op op;
    s[threadIdx.x] = v;
    __syncthreads();
    #pragma unroll
    for (unsigned k = N / 2; k; k >>= 1) {
        if (threadIdx.x < k) s[threadIdx.x] = op(s[threadIdx.x], s[threadIdx.x + k]);
        __syncthreads();
    }
    return s[0];
}
template <typename T, unsigned N, typename Op> __global__ void __launch_bounds__(N) reduce(const T* x, T* y) {
    T r = block_reduce<T, N, Op>(x[blockIdx.x * N + threadIdx.x]);
    if (threadIdx.x == 0) y[blockIdx.x] = r;
}

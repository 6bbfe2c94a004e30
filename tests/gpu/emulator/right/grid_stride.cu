// launch: scale<float><<<3, 64>>>(x = float32[1000]:random, s = 3.0, n = 1000)
// launch: scale<double><<<3, 64>>>(x = float64[1000]:random, s = 3.0, n = 1000)
template <typename T> __global__ void scale(T* x, T s, size_t n) {
    for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) x[i] *= s;
}

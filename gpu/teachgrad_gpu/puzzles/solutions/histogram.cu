extern "C" __global__ void histogram(const int* x, int* out, int n)
{
    __shared__ int counts[8];
    int t = threadIdx.x;
    if (t < 8)
        counts[t] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + t; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(&counts[x[i]], 1);
    __syncthreads();
    if (t < 8)
        atomicAdd(&out[t], counts[t]);
}

extern "C" __global__ void scan(const float* a, float* out, int n)
{
    __shared__ float sum[64];
    int t = threadIdx.x;
    sum[t] = t < n ? a[t] : 0;
    __syncthreads();
    for (int k = 1; k < n; k *= 2) {
        float before = t >= k ? sum[t - k] : 0;
        __syncthreads();
        sum[t] += before;
        __syncthreads();
    }
    if (t < n)
        out[t] = sum[t];
}

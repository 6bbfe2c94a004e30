extern "C" __global__ void dot(const float* a, const float* b, float* out, int n)
{
    __shared__ float part[64];
    int t = threadIdx.x;
    part[t] = t < n ? a[t] * b[t] : 0;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (t < half)
            part[t] += part[t + half];
    }
    if (t == 0)
        out[0] = part[0];
}

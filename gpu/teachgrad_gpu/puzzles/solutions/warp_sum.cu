extern "C" __global__ void warp_sum(const float* a, float* out, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int lane = threadIdx.x % 32;
    float sum = i < n ? a[i] : 0;
    for (int k = 16; k > 0; k /= 2)
        sum += __shfl_down_sync(0xffffffff, sum, k);
    if (lane == 0 && i < n)
        out[i / 32] = sum;
}

extern "C" __global__ void reverse(const float* a, float* out, int n)
{
    __shared__ float piece[8];
    int begin = blockIdx.x * 8;
    int length = min(8, n - begin);  // of this piece
    int t = threadIdx.x;
    if (t < length)
        piece[t] = a[begin + t];
    __syncthreads();
    if (t < length)
        out[begin + t] = piece[length - 1 - t];
}

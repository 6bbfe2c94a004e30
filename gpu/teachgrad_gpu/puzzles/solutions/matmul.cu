extern "C" __global__ void matmul(const float* a, const float* b, float* out, int m, int k, int n)
{
    __shared__ float as[8][8], bs[8][8];
    int x = threadIdx.x, y = threadIdx.y;
    int row = blockIdx.y * 8 + y;
    int column = blockIdx.x * 8 + x;
    float sum = 0;
    for (int start = 0; start < k; start += 8) {
        as[y][x] = row < m && start + x < k ? a[row * k + start + x] : 0;
        bs[y][x] = start + y < k && column < n ? b[(start + y) * n + column] : 0;
        __syncthreads();
        for (int i = 0; i < 8; i++)
            sum += as[y][i] * bs[i][x];
        __syncthreads();
    }
    if (row < m && column < n)
        out[row * n + column] = sum;
}

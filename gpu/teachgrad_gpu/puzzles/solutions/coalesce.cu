extern "C" __global__ void coalesce(const float* a, float* out, int rows, int columns)
{
    __shared__ float tile[32][32];
    int column = blockIdx.x * 32 + threadIdx.x;
    int row = blockIdx.y * 32 + threadIdx.y;
    if (row < rows && column < columns)
        tile[threadIdx.y][threadIdx.x] = a[row * columns + column];
    __syncthreads();
    int i = blockIdx.x * 32 + threadIdx.y;  // row and column of out
    int j = blockIdx.y * 32 + threadIdx.x;
    if (i < columns && j < rows)
        out[i * rows + j] = tile[threadIdx.x][threadIdx.y];
}

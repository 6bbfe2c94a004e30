extern "C" __global__ void broadcast(const float* a, const float* b, float* out, int rows, int columns)
{
    int row = threadIdx.y;
    int column = threadIdx.x;
    if (row < rows && column < columns)
        out[row * columns + column] = a[row] + b[column];
}

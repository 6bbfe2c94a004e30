extern "C" __global__ void map2(const float* a, float* out, int rows, int columns)
{
    int row = threadIdx.y;
    int column = threadIdx.x;
    if (row < rows && column < columns)
        out[row * columns + column] = a[row * columns + column] + 10;
}

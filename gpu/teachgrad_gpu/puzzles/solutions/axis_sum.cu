extern "C" __global__ void axis_sum(const float* a, float* out, int rows, int columns)
{
    __shared__ float part[8];
    int row = blockIdx.x;
    int t = threadIdx.x;
    float sum = 0;
    for (int column = t; column < columns; column += 8)
        sum += a[row * columns + column];
    part[t] = sum;
    for (int half = 4; half > 0; half /= 2) {
        __syncthreads();
        if (t < half)
            part[t] += part[t + half];
    }
    if (t == 0)
        out[row] = part[0];
}

extern "C" __global__ void softmax(const float* x, float* out, int rows, int columns)
{
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows)
        return;
    x += row * columns;
    out += row * columns;
    float m = -__int_as_float(0x7f800000), s = 0;  // m is -infinity, by its bits
    for (int j = 0; j < columns; j++) {
        float v = x[j];
        float larger = fmaxf(m, v);
        s = s * expf(m - larger) + expf(v - larger);
        m = larger;
    }
    for (int j = 0; j < columns; j++)
        out[j] = expf(x[j] - m) / s;
}

extern "C" __global__ void map(const float* a, float* out)
{
    int i = threadIdx.x;
    out[i] = a[i] + 10;
}

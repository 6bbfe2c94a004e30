extern "C" __global__ void add_ten(const float* a, float* out)
{
    out[0] = a[0] + 10;
}

// launch: copy<<<1, 65>>>(x = float32[64]:random, y = float32[64], n = 64)
// finds: out of bounds 5
extern "C" __global__ void copy(const float* x, float* y, int n) {
    int i = threadIdx.x;
    if (i <= n) y[i] = x[i];
}

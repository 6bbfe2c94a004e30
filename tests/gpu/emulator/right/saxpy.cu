// launch: saxpy<<<4, 256>>>(n = 1000, a = 2.0, x = float32[1000]:random, y = float32[1000]:random)
extern "C" __global__ void saxpy(int n, float a, const float* x, float* y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}

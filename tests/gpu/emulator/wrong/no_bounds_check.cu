// launch: saxpy<<<4, 256>>>(n = 1000, a = 2.0, x = float32[1000]:random, y = float32[1000]:random)
// finds: out of bounds 5
extern "C" __global__ void saxpy(int n, float a, const float* x, float* y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = a * x[i] + y[i];
}

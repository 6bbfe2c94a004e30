// Whole threads leave before any barrier comes.
// launch: first<<<3, 64>>>(x = float32[150]:random, n = 150)
extern "C" __global__ void first(float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    x[i] = sqrtf(x[i]);
}

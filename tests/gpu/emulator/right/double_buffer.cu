// Two buffers, so that one barrier per step is enough.
// launch: steps<<<1, 64>>>(x = float32[64]:random, n = 5)
extern "C" __global__ void steps(float* x, int n) {
    __shared__ float s[2][64];
    int t = threadIdx.x;
    s[0][t] = x[t];
    __syncthreads();
    for (int k = 0; k < n; k++) {
        s[(k + 1) % 2][t] = 0.5f * s[k % 2][t] + 0.25f * (s[k % 2][(t + 1) % 64] + s[k % 2][(t + 63) % 64]);
        __syncthreads();
    }
    x[t] = s[n % 2][t];
}

// Lanes that have returned are read, but what comes from there is not used.
// launch: total<<<1, 32>>>(x = float32[20]:random, n = 20)
extern "C" __global__ void total(float* x, int n) {
    int t = threadIdx.x;
    if (t >= n) return;
    float v = x[t];
    for (int k = 16; k > 0; k /= 2) {
        float other = __shfl_down_sync(0xffffffff, v, k);
        if (t + k < n) v += other;
    }
    if (t == 0) x[0] = v;
}

// It counts on the lanes of a warp moving together, as they did before Volta.
// launch: reduce<<<1, 32>>>(x = float32[32]:random)
// finds: race 9
// finds: race 10
extern "C" __global__ void reduce(float* x) {
    __shared__ volatile float s[32];
    int t = threadIdx.x;
    s[t] = x[t];
    if (t < 16) s[t] += s[t + 16];
    if (t < 8) s[t] += s[t + 8];
    if (t == 0) x[0] = s[0];
}

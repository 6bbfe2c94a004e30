// The last six steps within a warp, ordered by __syncwarp.
// launch: reduce<<<2, 128>>>(x = float32[256]:random, out = float32[2])
extern "C" __global__ void reduce(const float* x, float* out) {
    __shared__ volatile float s[128];
    unsigned t = threadIdx.x;
    s[t] = x[blockIdx.x * 128 + t];
    __syncthreads();
    if (t < 64) s[t] += s[t + 64];
    __syncthreads();
    if (t < 32) {
        float v = s[t] + s[t + 32];
        __syncwarp();
        s[t] = v;
        __syncwarp();
        for (int k = 16; k > 0; k >>= 1) {
            v += s[t + k];
            __syncwarp();
            s[t] = v;
            __syncwarp();
        }
        if (t == 0) out[blockIdx.x] = s[0];
    }
}

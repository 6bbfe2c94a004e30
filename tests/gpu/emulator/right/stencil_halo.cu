// launch: blur<<<4, 64>>>(x = float32[250]:random, y = float32[250], n = 250)
#define R 2
__constant__ float weight[2 * R + 1] = {0.1f, 0.2f, 0.4f, 0.2f, 0.1f};
extern "C" __global__ void blur(const float* x, float* y, int n) {
    __shared__ float s[64 + 2 * R];
    int i = blockIdx.x * blockDim.x + threadIdx.x, l = threadIdx.x + R;
    s[l] = i < n ? x[i] : 0.0f;
    if (threadIdx.x < R) {
        s[l - R] = i >= R ? x[i - R] : 0.0f;
        s[l + blockDim.x] = i + blockDim.x < n ? x[i + blockDim.x] : 0.0f;
    }
    __syncthreads();
    float v = 0;
    for (int k = -R; k <= R; k++) v += weight[k + R] * s[l + k];
    if (i < n) y[i] = v;
}

// launch: reduce<<<1, 128>>>(x = float32[128]:random)
// finds: race 8
extern "C" __global__ void reduce(float* x) {
    __shared__ float s[128];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    for (int k = 64; k > 0; k /= 2)
        if (threadIdx.x < k) s[threadIdx.x] += s[threadIdx.x + k];
    if (threadIdx.x == 0) x[0] = s[0];
}

// The block that comes last adds up what the others left: a fence, then an atomic ticket.
// launch: total<<<5, 64>>>(x = float32[1000]:random, partial = float32[5], out = float32[1], n = 1000)
__device__ unsigned int count = 0;
extern "C" __global__ void total(const float* x, volatile float* partial, float* out, int n) {
    __shared__ float s[64];
    __shared__ bool last;
    float v = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) v += x[i];
    s[threadIdx.x] = v;
    __syncthreads();
    for (int k = 32; k > 0; k /= 2) {
        if (threadIdx.x < k) s[threadIdx.x] += s[threadIdx.x + k];
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = s[0];
        __threadfence();
        unsigned int ticket = atomicAdd(&count, 1u);
        last = ticket == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0) {
        float sum = 0;
        for (int b = 0; b < gridDim.x; b++) sum += partial[b];
        *out = sum;
        count = 0;
    }
}

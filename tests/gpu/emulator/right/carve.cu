// Dynamic shared memory of several types, one behind the other.
// launch: k<<<2, 32, 512>>>(x = float32[64]:random, y = float32[64], h = int32[8])
extern "C" __global__ void k(const float* x, float* y, int* h) {
    extern __shared__ unsigned char smem[];
    double* d = reinterpret_cast<double*>(smem);
    float* f = reinterpret_cast<float*>(d + 8);
    int* counts = (int*)(f + 64);
    unsigned short* us = reinterpret_cast<unsigned short*>(&counts[16]);
    int t = threadIdx.x;
    if (t < 8) d[t] = 0, counts[t] = 0;
    f[t] = x[blockIdx.x * 32 + t];
    us[t] = t;
    __syncthreads();
    atomicAdd(&counts[(int)(f[t] * 8)], 1);
    atomicAdd(&d[t % 8], (double)f[31 - t]);
    __syncthreads();
    y[blockIdx.x * 32 + t] = d[t % 8] + us[31 - t];
    if (t < 8) atomicAdd(h + t, counts[t]);
}

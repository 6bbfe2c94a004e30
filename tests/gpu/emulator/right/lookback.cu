// A scan in one pass: each block waits for the sum of those before it, behind a flag.
// launch: scan<<<6, 64>>>(x = int32[384]:random, y = int32[384], flag = int32[6], sums = int32[6])
extern "C" __global__ void scan(const int* x, int* y, volatile int* flag, volatile int* sums) {
    __shared__ int s[64];
    __shared__ int before;
    int t = threadIdx.x, i = blockIdx.x * 64 + t;
    s[t] = x[i];
    __syncthreads();
    for (int k = 1; k < 64; k *= 2) {
        int v = t >= k ? s[t - k] : 0;
        __syncthreads();
        s[t] += v;
        __syncthreads();
    }
    if (t == 0) {
        int sum = 0;
        if (blockIdx.x > 0) {
            while (flag[blockIdx.x - 1] == 0) {
            }
            __threadfence();
            sum = sums[blockIdx.x - 1];
        }
        before = sum;
        sums[blockIdx.x] = sum + s[63];
        __threadfence();
        flag[blockIdx.x] = 1;
    }
    __syncthreads();
    y[i] = s[t] + before;
}

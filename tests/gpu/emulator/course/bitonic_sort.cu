// Bitonic sort of 128 numbers by 64 threads.
// launch: sort<<<2, 64>>>(data = int32[256]:random)
// instead of `__syncthreads();  // stage` write `` finds race at `int a = s[lo], b = s[hi];`
// instead of `__syncthreads();  // stage` write `if (j > 32) __syncthreads();` finds race at `int a = s[lo], b = s[hi];`
// instead of `int hi = lo + j;` write `int hi = lo + 2 * j;` finds out of bounds at `int a = s[lo], b = s[hi];`
template <typename T> __device__ __forceinline__ void swap_if(bool wrong, T& a, T& b) {
    if (wrong) {
        T t = a;
        a = b;
        b = t;
    }
}
extern "C" __global__ void sort(int* data) {
    __shared__ int s[128];
    int t = threadIdx.x;
    data += blockIdx.x * 128;
    s[t] = data[t];
    s[t + 64] = data[t + 64];
    for (int k = 2; k <= 128; k *= 2)
        for (int j = k / 2; j > 0; j /= 2) {
            __syncthreads();  // stage
            int lo = 2 * t - (t & (j - 1));
            int hi = lo + j;
            bool down = lo & k;
            int a = s[lo], b = s[hi];
            swap_if((a > b) != down, a, b);
            s[lo] = a, s[hi] = b;
        }
    __syncthreads();
    data[t] = s[t];
    data[t + 64] = s[t + 64];
}

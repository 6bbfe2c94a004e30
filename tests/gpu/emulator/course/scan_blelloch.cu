// An exclusive scan in place: up a tree, and down again.
// launch: scan<<<3, 64, 512>>>(x = int32[384]:random, y = int32[384])
// instead of `__syncthreads();  // up` write `` finds race at `s[bi] += s[ai];`
// instead of `__syncthreads();  // down` write `` finds race at `s[bi] += left;`
// instead of `s[2 * t + 1] = x[base + 2 * t + 1];` write `` finds uninitialised at `s[bi] += s[ai];`
// instead of `2 * t + 2) - 1;  // up` write `2 * t + 2);  // up` finds out of bounds at `s[bi] += s[ai];`
extern "C" __global__ void scan(const int* x, int* y) {
    extern __shared__ int s[];
    const int n = 2 * blockDim.x, t = threadIdx.x, base = blockIdx.x * n;
    s[2 * t] = x[base + 2 * t];
    s[2 * t + 1] = x[base + 2 * t + 1];
    int offset = 1;
    for (int d = n >> 1; d > 0; d >>= 1) {
        __syncthreads();  // up
        if (t < d) {
            int ai = offset * (2 * t + 1) - 1;
            int bi = offset * (2 * t + 2) - 1;  // up
            s[bi] += s[ai];
        }
        offset *= 2;
    }
    if (t == 0) s[n - 1] = 0;
    for (int d = 1; d < n; d *= 2) {
        offset >>= 1;
        __syncthreads();  // down
        if (t < d) {
            int ai = offset * (2 * t + 1) - 1;
            int bi = offset * (2 * t + 2) - 1;
            int left = s[ai];
            s[ai] = s[bi];
            s[bi] += left;
        }
    }
    __syncthreads();
    y[base + 2 * t] = s[2 * t];
    y[base + 2 * t + 1] = s[2 * t + 1];
}

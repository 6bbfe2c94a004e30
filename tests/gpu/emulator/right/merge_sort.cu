// Each number looks up in the other half where it belongs.
// launch: sort<<<1, 64>>>(x = int32[64]:random)
__device__ int lower(const int* a, int n, int v, bool equal) {
    int lo = 0, hi = n;
    while (lo < hi) { int mid = (lo + hi) >> 1; if (a[mid] < v || (equal && a[mid] == v)) lo = mid + 1; else hi = mid; }
    return lo;
}
extern "C" __global__ void sort(int* x) {
    __shared__ int buf[2][64];
    int t = threadIdx.x, in = 0;
    buf[0][t] = x[t];
    for (int w = 1; w < 64; w *= 2, in ^= 1) {
        __syncthreads();
        int base = t / (2 * w) * 2 * w, k = t - base;
        bool left = k < w;
        int v = buf[in][t];
        int other = lower(&buf[in][base + (left ? w : 0)], w, v, !left);
        buf[in ^ 1][base + (left ? k : k - w) + other] = v;
    }
    __syncthreads();
    x[t] = buf[in][t];
}

// Sums that begin anew where a flag stands, by shuffles within warps and a carry between them.
// launch: scan<<<1, 128>>>(x = int32[128]:random, flag = int32[128], y = int32[128])
// instead of `__syncthreads();  // carries` write `` finds race at `carry = open[k] ?`
// instead of `if (lane == 31) {` write `if (lane == 30) {` finds nothing
// instead of `__shfl_up_sync(full, v, d)` write `lane >= d ? __shfl_up_sync(full, v, d) : 0` finds deadlock at `bool g =`
// instead of `sums[w] = v;` write `` finds uninitialised at `carry = open[k] ?`
extern "C" __global__ void scan(const int* x, const int* flag, int* y) {
    const unsigned full = 0xffffffff;
    __shared__ int sums[4];
    __shared__ bool open[4];
    int t = threadIdx.x, lane = t % 32, w = t / 32;
    int v = x[t];
    bool f = flag[t] != 0 || x[t] % 5 == 0;
    for (int d = 1; d < 32; d *= 2) {
        int u = __shfl_up_sync(full, v, d);
        bool g = __shfl_up_sync(full, f, d);
        if (lane >= d) {
            if (!f) v += u;
            f = f || g;
        }
    }
    if (lane == 31) {
        sums[w] = v;
        open[w] = !f;
    }
    __syncthreads();  // carries
    int carry = 0;
    for (int k = 0; k < w; k++)
        carry = open[k] ? carry + sums[k] : sums[k];
    y[t] = f ? v : v + carry;
}

// An inclusive scan of each block, back and forth between two rows.
// launch: scan<<<2, 96>>>(x = float32[192]:random, y = float32[192])
// instead of `__syncthreads();  // step` write `__syncwarp();` finds race at `row[now][t] =`
// instead of `int now = 0` write `int now = 1` finds uninitialised at `row[now][t] =`
// instead of `t >= d` write `t + 1 >= d` finds out of bounds at `row[now][t] =`
extern "C" __global__ void __launch_bounds__(96) scan(const float* __restrict__ x, float* __restrict__ y) {
    __shared__ float row[2][96];
    const unsigned t = threadIdx.x;
    int now = 0;
    row[0][t] = x[blockIdx.x * 96 + t];
    for (unsigned d = 1; d < 96; d <<= 1) {
        __syncthreads();  // step
        now ^= 1;
        row[now][t] = row[now ^ 1][t] + (t >= d ? row[now ^ 1][t - d] : 0.0f);
    }
    y[blockIdx.x * 96 + t] = row[now][t];
}

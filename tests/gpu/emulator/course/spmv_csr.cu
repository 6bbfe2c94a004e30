// A sparse matrix times a vector: a warp for each row.
// launch: spmv<<<3, 64>>>(start = int32[7], col = int32[60], val = float32[60]:random, x = float32[20]:random, y = float32[6], rows = 6)
// instead of `if (row >= rows) return;` write `` finds nothing
// instead of `if (row >= rows) return;` write `if (row > rows) return;` finds nothing
// instead of `k < start[row + 1]` write `k <= start[row + 1]` finds out of bounds at `sum += val[k]`
// instead of `if (lane == 0) y[row] = sum;` write `y[row] = sum;` finds race at `y[row] = sum;`
// instead of `__shfl_down_sync(~0u, sum, o)` write `__shfl_down_sync(0xffffu, sum, o)` finds warp mask at `sum += __shfl`
extern "C" __global__ void spmv(const int* __restrict__ start, const int* __restrict__ col, const float* __restrict__ val,
                                const float* __restrict__ x, float* __restrict__ y, int rows) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x & 31;
    if (row >= rows) return;
    float sum = 0;
    for (int k = start[row] + lane; k < start[row + 1]; k += 32)
        sum += val[k] * __ldg(&x[col[k]]);
    for (int o = 16; o > 0; o /= 2)
        sum += __shfl_down_sync(~0u, sum, o);
    if (lane == 0) y[row] = sum;
}

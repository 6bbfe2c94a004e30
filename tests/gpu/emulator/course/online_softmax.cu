// Softmax of rows in one reading: each lane keeps a maximum and a sum that fits it; then lanes merge theirs.
// launch: softmax<<<3, (32, 2)>>>(x = float32[5, 70]:normal, y = float32[5, 70], rows = 5, cols = 70)
// instead of `if (row >= rows) return;` write `` finds out of bounds at `float v = x[row * cols + c];`
// instead of `merge(a, {__shfl_xor_sync(FULL, a.m, o), __shfl_xor_sync(FULL, a.s, o)})` write `merge(a, {__shfl_xor_sync(1u, a.m, o), a.s})` finds warp mask at `a = merge`
// instead of `y[row * cols + c] =` write `y[row * cols + c / 2] =` finds race at `y[row * cols + c / 2] =`
#define FULL 0xffffffffu
struct State {
    float m, s;
};
__device__ State merge(State a, State b) {
    float m = fmaxf(a.m, b.m);
    if (m == -INFINITY) return {m, 0};
    return {m, a.s * __expf(a.m - m) + b.s * __expf(b.m - m)};
}
extern "C" __global__ void softmax(const float* x, float* y, int rows, int cols) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    State a = {-INFINITY, 0};
    for (int c = threadIdx.x; c < cols; c += 32) {
        float v = x[row * cols + c];
        a = merge(a, {v, 1.0f});
    }
    for (int o = 16; o > 0; o >>= 1)
        a = merge(a, {__shfl_xor_sync(FULL, a.m, o), __shfl_xor_sync(FULL, a.s, o)});
    for (int c = threadIdx.x; c < cols; c += 32)
        y[row * cols + c] = __expf(x[row * cols + c] - a.m) / a.s;
}

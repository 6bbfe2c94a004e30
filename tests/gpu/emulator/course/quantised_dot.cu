// Products of rows of signed bytes, four at a time.
// launch: dot<<<2, (32, 4)>>>(a = int8[7, 128]:random, b = int8[128]:random, out = float32[7], rows = 7, scale = 0.5)
// instead of `if (row < rows) {` write `if (row <= rows) {` finds out of bounds at `sum = __dp4a(`
// instead of `k < 128 / 4` write `k <= 128 / 4` finds out of bounds at `sum = __dp4a(`
// instead of `if (threadIdx.x == 0) out[row]` write `out[row % 2]` finds race at `= scale * sum;`
// instead of `reinterpret_cast<const int*>(a + row * 128)` write `reinterpret_cast<const int*>(a + row * 127)` finds misaligned at `sum = __dp4a(`
extern "C" __global__ void dot(const signed char* a, const signed char* b, float* out, int rows, float scale) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row < rows) {
        const int* pa = reinterpret_cast<const int*>(a + row * 128);
        const int* pb = reinterpret_cast<const int*>(b);
        int sum = 0;
        for (int k = threadIdx.x; k < 128 / 4; k += 32)
            sum = __dp4a(pa[k], pb[k], sum);
        sum = __reduce_add_sync(0xffffffffu, sum);
        if (threadIdx.x == 0) out[row] = scale * sum;
    }
}

// Edges of a picture; its border stays black.
// launch: sobel<<<(4, 3), (8, 4)>>>(in = uint8[12, 30]:random, out = uint8[12, 30], w = 30, h = 12)
// instead of `x < 1 || y < 1 || x >= w - 1 || y >= h - 1` write `x >= w || y >= h` finds out of bounds at `v[dy + 1][dx + 1] =`
// instead of `out[y * w + x] = (unsigned char)` write `out[y * w + x / 2] = (unsigned char)` finds race at `= (unsigned char)`
extern "C" __global__ void sobel(const unsigned char* in, unsigned char* out, int w, int h) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < 1 || y < 1 || x >= w - 1 || y >= h - 1) return;
    int v[3][3];
#pragma unroll
    for (int dy = -1; dy <= 1; dy++)
#pragma unroll
        for (int dx = -1; dx <= 1; dx++)
            v[dy + 1][dx + 1] = __ldg(in + (y + dy) * w + x + dx);
    int gx = v[0][2] + 2 * v[1][2] + v[2][2] - v[0][0] - 2 * v[1][0] - v[2][0];
    int gy = v[2][0] + 2 * v[2][1] + v[2][2] - v[0][0] - 2 * v[0][1] - v[0][2];
    out[y * w + x] = (unsigned char)min(255, __float2int_rn(sqrtf((float)(gx * gx + gy * gy))));
}

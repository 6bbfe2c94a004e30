// A five-point stencil: a tile with a border of one cell around it.
// launch: stencil<<<(3, 2), (8, 8)>>>(in = float32[16, 20]:random, out = float32[16, 20], h = 16, w = 20)
// instead of `__syncthreads();` write `` finds race at `out[y * w + x] =`
// instead of `if (ty == 0) tile[0][lx] = at(in, y - 1, x, h, w);` write `` finds uninitialised at `out[y * w + x] =`
// instead of `tile[TILE + 2][TILE + 2]` write `tile[TILE + 1][TILE + 2]` finds out of bounds at `if (ty == TILE - 1)`
// instead of `if (x >= w || y >= h) return;  // all is loaded` write `` finds out of bounds at `out[y * w + x] =`
// instead of `    __syncthreads();` write `    if (x >= w || y >= h) return;\n    __syncthreads();` finds missed barrier at `__syncthreads();`
const int TILE = 8;
__device__ float at(const float* in, int y, int x, int h, int w) {
    y = min(max(y, 0), h - 1);
    x = min(max(x, 0), w - 1);
    return in[y * w + x];
}
extern "C" __global__ void stencil(const float* in, float* out, int h, int w) {
    __shared__ float tile[TILE + 2][TILE + 2];
    int tx = threadIdx.x, ty = threadIdx.y, lx = tx + 1, ly = ty + 1;
    int x = blockIdx.x * TILE + tx, y = blockIdx.y * TILE + ty;
    tile[ly][lx] = at(in, y, x, h, w);
    if (ty == 0) tile[0][lx] = at(in, y - 1, x, h, w);
    if (ty == TILE - 1) tile[TILE + 1][lx] = at(in, y + 1, x, h, w);
    if (tx == 0) tile[ly][0] = at(in, y, x - 1, h, w);
    if (tx == TILE - 1) tile[ly][TILE + 1] = at(in, y, x + 1, h, w);
    __syncthreads();
    if (x >= w || y >= h) return;  // all is loaded
    out[y * w + x] = 0.5f * tile[ly][lx] + 0.125f * (tile[ly - 1][lx] + tile[ly + 1][lx] + tile[ly][lx - 1] + tile[ly][lx + 1]);
}

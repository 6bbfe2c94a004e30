// Through a tile with a column too many, so that no two lanes want the same bank.
// launch: transpose<<<(2, 2), (32, 8)>>>(in = float32[40, 50]:random, out = float32[50, 40], h = 40, w = 50)
// instead of `__syncthreads();` write `` finds race at `out[(x0 + j) * h + y] =`
// instead of `if (x < w && y0 + j < h)` write `if (x < w)` finds out of bounds at `tile[j][threadIdx.x] =`
// instead of `j += 8)  // in` write `j += 16)  // in` finds uninitialised at `out[(x0 + j) * h + y] =`
#define DIM 32
template <class T> __device__ void move(const T* in, T* out, int h, int w) {
    __shared__ T tile[DIM][DIM + 1];
    int x0 = blockIdx.x * DIM, y0 = blockIdx.y * DIM;
    int x = x0 + threadIdx.x;
    for (int j = threadIdx.y; j < DIM; j += 8)  // in
        if (x < w && y0 + j < h)
            tile[j][threadIdx.x] = in[(y0 + j) * w + x];
    __syncthreads();
    int y = y0 + threadIdx.x;
    for (int j = threadIdx.y; j < DIM; j += 8)
        if (y < h && x0 + j < w)
            out[(x0 + j) * h + y] = tile[threadIdx.x][j];
}
extern "C" __global__ void transpose(const float* in, float* out, int h, int w) { move<float>(in, out, h, w); }

// Conway's game of life on a torus of bytes, a tile with its border in shared memory.
// launch: life<<<(2, 2), (16, 16)>>>(now = uint8[32, 32]:random, next = uint8[32, 32])
// instead of `__syncthreads();` write `` finds race at `alive += tile`
// instead of `i < 18 * 18` write `i < 18 * 17` finds uninitialised at `alive += tile`
// instead of `next[y * N + x] =` write `const_cast<unsigned char*>(now)[y * N + x] =` finds race at `[y * N + x] =`
// instead of `i < 18 * 18` write `i <= 18 * 18` finds out of bounds at `tile[i / 18][i % 18] =`
enum { N = 32 };
__device__ const int dx[8] = {-1, 0, 1, -1, 1, -1, 0, 1}, dy[8] = {-1, -1, -1, 0, 0, 1, 1, 1};
extern "C" __global__ void life(const unsigned char* now, unsigned char* next) {
    __shared__ unsigned char tile[18][18];
    int t = threadIdx.y * 16 + threadIdx.x, x0 = blockIdx.x * 16 - 1, y0 = blockIdx.y * 16 - 1;
    for (int i = t; i < 18 * 18; i += 256)
        tile[i / 18][i % 18] = now[((y0 + i / 18 + N) % N) * N + (x0 + i % 18 + N) % N] & 1;
    __syncthreads();
    int alive = 0;
    for (int k = 0; k < 8; k++)
        alive += tile[threadIdx.y + 1 + dy[k]][threadIdx.x + 1 + dx[k]];
    int x = x0 + 1 + threadIdx.x, y = y0 + 1 + threadIdx.y;
    next[y * N + x] = alive == 3 || (alive == 2 && tile[threadIdx.y + 1][threadIdx.x + 1]);
}

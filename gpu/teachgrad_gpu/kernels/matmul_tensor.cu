// Matrix product on tensor cores: half-precision A (m, k) and B (k, n), sums and C (m, n) in float.
//
// A tensor core multiplies small matrices as one instruction of a whole warp. Through <mma.h> the warp holds a 16 x 16
// piece of each matrix in a `fragment`, spread over the registers of its 32 lanes in a way that only the hardware
// knows:
//
//     load_matrix_sync     shared memory  ->  fragments of A and B
//     mma_sync             sum = A B + sum, 16 x 16 x 16: 4096 multiplications, one instruction for the warp
//     store_matrix_sync    fragment of the sum  ->  shared memory
//
// So the rest of the ladder is about feeding them. A block of 8 warps computes 128 x 128 elements of C, each warp 32 x
// 64 of them, 2 x 4 fragments: per step of 16 along k it loads 2 + 4 fragments for 8 products.
//
//     warps    0 1        each     [ ] [ ] [ ] [ ]
//              2 3                 [ ] [ ] [ ] [ ]
//              4 5
//              6 7
//
// Rows of the tiles in shared memory are padded by 8 halves (16 bytes): fragments are then loaded without bank
// conflicts. As in matmul_vectorised, the next tiles wait in registers while the current ones are multiplied.
//
// Precision: the products of halves are exact in float, sums are float; what is lost is in rounding A and B to 11 bits.

#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

// Eight neighbours in a row of a matrix (rows, columns), as 16 bytes, zeros outside.
__device__ uint4 eight(const half* __restrict__ x, int row, int column, int rows, int columns)
{
    uint4 v = make_uint4(0u, 0u, 0u, 0u);
    if (row >= rows || column >= columns)
        return v;
    const half* p = x + (long long)row * columns + column;
    if (columns % 8 == 0)
        return *reinterpret_cast<const uint4*>(p);
    unsigned int words[4] = {0u, 0u, 0u, 0u};
    for (int e = 0; e < 8; e++)
        if (column + e < columns)
            words[e / 2] |= (unsigned int)__half_as_ushort(p[e]) << (16 * (e % 2));
    return make_uint4(words[0], words[1], words[2], words[3]);
}

// Rung 5 of the ladder: a block computes 128 x 128 elements of C, as in the picture above. The bounds promise two
// blocks a multiprocessor: while one waits at a barrier the other multiplies.
extern "C" __global__ void __launch_bounds__(256, 2)
    matmul_tensor(const half* __restrict__ A, const half* __restrict__ B, float* __restrict__ C, int m, int n, int k)
{
    __shared__ __align__(32) half a[128][32 + 8], b[32][128 + 8];
    __shared__ __align__(32) float piece[8][16][16];
    int t = threadIdx.x, warp = t / 32, lane = t % 32, left = blockIdx.x * 128, top = blockIdx.y * 128;
    int warp_top = warp / 2 * 32, warp_left = warp % 2 * 64;

    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum[2][4];
#pragma unroll
    for (int u = 0; u < 2; u++)
#pragma unroll
        for (int v = 0; v < 4; v++)
            wmma::fill_fragment(sum[u][v], 0.0f);

    // what this thread loads: two times 8 halves of A (4 such in a row of the tile), and of B (16 in a row)
    uint4 next_a[2], next_b[2];
#pragma unroll
    for (int e = 0; e < 2; e++) {
        next_a[e] = eight(A, top + t / 4 + 64 * e, t % 4 * 8, m, k);
        next_b[e] = eight(B, t / 16 + 16 * e, left + t % 16 * 8, k, n);
    }
    for (int start = 0; start < k; start += 32) {
#pragma unroll
        for (int e = 0; e < 2; e++) {
            *reinterpret_cast<uint4*>(&a[t / 4 + 64 * e][t % 4 * 8]) = next_a[e];
            *reinterpret_cast<uint4*>(&b[t / 16 + 16 * e][t % 16 * 8]) = next_b[e];
        }
        __syncthreads();
        if (start + 32 < k)
#pragma unroll
            for (int e = 0; e < 2; e++) {
                next_a[e] = eight(A, top + t / 4 + 64 * e, start + 32 + t % 4 * 8, m, k);
                next_b[e] = eight(B, start + 32 + t / 16 + 16 * e, left + t % 16 * 8, k, n);
            }
#pragma unroll
        for (int l = 0; l < 32; l += 16) {
            wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> columns[2];
#pragma unroll
            for (int u = 0; u < 2; u++)
                wmma::load_matrix_sync(columns[u], &a[warp_top + 16 * u][l], 32 + 8);
#pragma unroll
            for (int v = 0; v < 4; v++) {
                wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> row;
                wmma::load_matrix_sync(row, &b[l][warp_left + 16 * v], 128 + 8);
#pragma unroll
                for (int u = 0; u < 2; u++)
                    wmma::mma_sync(sum[u][v], columns[u], row, sum[u][v]);
            }
        }
        __syncthreads();
    }

    // Each fragment goes through 1 KiB of the warp's own, so that the edges of C can be kept.
#pragma unroll
    for (int u = 0; u < 2; u++)
#pragma unroll
        for (int v = 0; v < 4; v++) {
            wmma::store_matrix_sync(&piece[warp][0][0], sum[u][v], 16, wmma::mem_row_major);
            __syncwarp();
            for (int e = lane; e < 256; e += 32) {
                int i = top + warp_top + 16 * u + e / 16, j = left + warp_left + 16 * v + e % 16;
                if (i < m && j < n)
                    C[(long long)i * n + j] = piece[warp][e / 16][e % 16];
            }
            __syncwarp();
        }
}

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
// So the rest of the ladder is about feeding them. A block of 8 warps computes 128 x 256 elements of C, each warp 64 x
// 64 of them, 4 x 4 fragments: per step of 16 along k it loads 4 + 4 fragments for 16 products. That is 4 KiB of shared
// memory for 65536 multiplications; with 2 x 4 fragments a warp, shared memory would be what all wait for.
//
//     warps    0 1 2 3        each     [ ] [ ] [ ] [ ]
//              4 5 6 7                 [ ] [ ] [ ] [ ]
//                                      [ ] [ ] [ ] [ ]
//                                      [ ] [ ] [ ] [ ]
//
// Memory is far away, so tiles are asked for three steps before they are used, each into a stage of its own. The copies
// go from memory to shared memory by themselves, past the registers (from Ampere on; on Turing they are plain copies):
//
//     step        0       1       2       3       4
//     multiply    tile 0  tile 1  tile 2  tile 3  ...
//     ask for     tile 3  tile 4  tile 5  ...              into the stage whose tile was multiplied the step before
//
// Rows of the tiles in shared memory are padded by 8 halves (16 bytes): fragments are then loaded without bank
// conflicts.
//
// Precision: the products of halves are exact in float, sums are float; what is lost is in rounding A and B to 11 bits.

#include <cuda_fp16.h>
#include <cuda_pipeline.h>
#include <mma.h>

using namespace nvcuda;

const int STAGES = 4; // 57 KiB of shared memory: Turing has 64

struct Tiles {
    half a[128][16 + 8], b[16][256 + 8];
};

// Send eight neighbours in a row of a matrix (rows, columns) on their way to shared memory, zeros outside. Where rows
// do not begin at multiples of 16 bytes, they are copied one by one.
__device__ void fetch(half* to, const half* x, int row, int column, int rows, int columns)
{
    const half* from = x + (long long)row * columns + column;
    if (columns % 8 == 0 && row < rows && column < columns)
        __pipeline_memcpy_async(to, from, 16);
    else
        for (int e = 0; e < 8; e++)
            to[e] = row < rows && column + e < columns ? from[e] : __float2half(0.0f);
}

// What a thread sends for: 8 halves of A (2 such in a row of the tile), and twice 8 of B (32 in a row).
__device__ void fetch(Tiles& tiles, const half* A, const half* B, int top, int left, int start, int m, int n, int k)
{
    int t = threadIdx.x;
    fetch(&tiles.a[t / 2][t % 2 * 8], A, top + t / 2, start + t % 2 * 8, m, k);
    for (int row = t / 32; row < 16; row += 8)
        fetch(&tiles.b[row][t % 32 * 8], B, start + row, left + t % 32 * 8, k, n);
}

// Rung 5 of the ladder: a block computes 128 x 256 elements of C, as in the picture above. 128 registers of each thread
// hold sums, so a multiprocessor has one block at a time.
extern "C" __global__ void __launch_bounds__(256, 1)
    matmul_tensor(const half* __restrict__ A, const half* __restrict__ B, float* __restrict__ C, int m, int n, int k)
{
    extern __shared__ __align__(128) unsigned char memory[];
    Tiles* tiles = reinterpret_cast<Tiles*>(memory);
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, left = blockIdx.x * 256, top = blockIdx.y * 128;
    int warp_top = warp / 4 * 64, warp_left = warp % 4 * 64;

    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum[4][4];
#pragma unroll
    for (int u = 0; u < 4; u++)
#pragma unroll
        for (int v = 0; v < 4; v++)
            wmma::fill_fragment(sum[u][v], 0.0f);

    for (int stage = 0; stage < STAGES - 1; stage++) {
        if (16 * stage < k)
            fetch(tiles[stage], A, B, top, left, 16 * stage, m, n, k);
        __pipeline_commit(); // what was sent for since the last time is one batch
    }
    for (int step = 0; 16 * step < k; step++) {
        __pipeline_wait_prior(STAGES - 2); // all batches but the last so many have arrived,
        __syncthreads();                   // those of the other threads too; and all are done with the step before
        int next = step + STAGES - 1;
        if (16 * next < k)
            fetch(tiles[next % STAGES], A, B, top, left, 16 * next, m, n, k);
        __pipeline_commit();

        const Tiles& tile = tiles[step % STAGES];
        wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> columns[4];
#pragma unroll
        for (int u = 0; u < 4; u++)
            wmma::load_matrix_sync(columns[u], &tile.a[warp_top + 16 * u][0], 16 + 8);
#pragma unroll
        for (int v = 0; v < 4; v++) {
            wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> row;
            wmma::load_matrix_sync(row, &tile.b[0][warp_left + 16 * v], 256 + 8);
#pragma unroll
            for (int u = 0; u < 4; u++)
                wmma::mma_sync(sum[u][v], columns[u], row, sum[u][v]);
        }
    }
    __syncthreads(); // the tiles are not needed any more

    // Each fragment goes through 1 KiB of the warp's own, so that the edges of C can be kept.
    float(*piece)[16] = reinterpret_cast<float(*)[16]>(memory + 1024 * warp);
#pragma unroll
    for (int u = 0; u < 4; u++)
#pragma unroll
        for (int v = 0; v < 4; v++) {
            wmma::store_matrix_sync(&piece[0][0], sum[u][v], 16, wmma::mem_row_major);
            __syncwarp();
            for (int e = lane; e < 256; e += 32) {
                int i = top + warp_top + 16 * u + e / 16, j = left + warp_left + 16 * v + e % 16;
                if (i < m && j < n)
                    C[(long long)i * n + j] = piece[e / 16][e % 16];
            }
            __syncwarp();
        }
}

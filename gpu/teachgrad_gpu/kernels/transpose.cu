// Transposition: z[j, i] = x[i, j]. Nothing is computed; it should run as fast as a copy, and at first does not.
//
// Memory moves in sectors of 32 bytes. A warp that reads along a row touches 4 of them for 32 floats; one that goes
// down a column touches 32, and uses 4 bytes of each. In a transposition reading or writing goes down columns, unless
// the turn is made inside the chip.
//
//     #define REAL   the type of the numbers: float (default) or double
//
// All kernels here have blocks of (32, 8) threads and move tiles of 32 by 32: each thread moves 4 elements, in unrolled
// loops, so that all four are on their way at once. The gradient of a transposition is a transposition.

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

// Rung 1. Reads along rows, writes down columns.
//
//     x    t0 t1 t2 t3 ...            z    t0 . . .
//          .  .  .  .                      t1 . . .        32 lanes write 32 sectors
//                                          t2 . . .
extern "C" __global__ void transpose_naive(const real* x, real* z, int rows, int columns)
{
    int j = blockIdx.x * 32 + threadIdx.x;
#pragma unroll
    for (int k = 0; k < 32; k += 8) {
        int i = blockIdx.y * 32 + threadIdx.y + k;
        if (i < rows && j < columns)
            z[j * rows + i] = x[i * columns + j];
    }
}

// Rung 2. A tile goes through shared memory: rows are read, columns of the tile are read back from shared memory, and
// written as rows. Now all traffic with memory is along rows. But shared memory has 32 banks, 4 bytes wide, and a
// column of a tile of 32 by 32 lies in one of them:
//
//     element (i, j) is in bank (32 i + j) % 32 = j        32 lanes reading a column wait for one bank, 32 times
extern "C" __global__ void transpose_tiled(const real* x, real* z, int rows, int columns)
{
    __shared__ real tile[32][32];
    int left = blockIdx.x * 32, top = blockIdx.y * 32, tx = threadIdx.x, ty = threadIdx.y;
#pragma unroll
    for (int k = 0; k < 32; k += 8)
        if (top + ty + k < rows && left + tx < columns)
            tile[ty + k][tx] = x[(top + ty + k) * columns + left + tx];
    __syncthreads();
#pragma unroll
    for (int k = 0; k < 32; k += 8)
        if (left + ty + k < columns && top + tx < rows)
            z[(left + ty + k) * rows + top + tx] = tile[tx][ty + k];
}

// Rung 3. One unused column more, and the same tile has no conflicts:
//
//     element (i, j) is in bank (33 i + j) % 32 = (i + j) % 32        a column lies in 32 different banks
extern "C" __global__ void transpose_padded(const real* __restrict__ x, real* __restrict__ z, int rows, int columns)
{
    __shared__ real tile[32][33];
    int left = blockIdx.x * 32, top = blockIdx.y * 32, tx = threadIdx.x, ty = threadIdx.y;
#pragma unroll
    for (int k = 0; k < 32; k += 8)
        if (top + ty + k < rows && left + tx < columns)
            tile[ty + k][tx] = x[(top + ty + k) * columns + left + tx];
    __syncthreads();
#pragma unroll
    for (int k = 0; k < 32; k += 8)
        if (left + ty + k < columns && top + tx < rows)
            z[(left + ty + k) * rows + top + tx] = tile[tx][ty + k];
}

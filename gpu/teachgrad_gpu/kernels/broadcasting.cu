// Broadcasting: an operand with fewer axes, or with axes of length 1, is read again and again; nothing is copied.
//
// What was read several times in the forward pass receives the sum of several gradients in the backward pass: the
// adjoint of broadcasting is a sum over the same axes.
//
//     #define REAL   the type of the numbers: float (default) or double

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

// z[i, j] = x[i, j] + b[j]: a bias for each column.
//
// Threads along x are neighbours in a row, so reads of x are coalesced. A thread stays in its column and walks down the
// rows, so it reads its b[j] once and keeps it in a register.
extern "C" __global__ void add_row(const real* x, const real* b, real* z, int rows, int columns)
{
    int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= columns)
        return;
    real bias = b[j];
    for (int i = blockIdx.y * blockDim.y + threadIdx.y; i < rows; i += gridDim.y * blockDim.y)
        z[i * columns + j] = x[i * columns + j] + bias;
}

// z[i, j] = x[i, j] + b[i]: one number for each row. All threads of a warp read the same b[i] at once; that is one
// sector for the whole warp, handed to all.
extern "C" __global__ void add_column(const real* x, const real* b, real* z, int rows, int columns)
{
    int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= columns)
        return;
    for (int i = blockIdx.y * blockDim.y + threadIdx.y; i < rows; i += gridDim.y * blockDim.y)
        z[i * columns + j] = x[i * columns + j] + b[i];
}

// z = x + y for any two shapes of up to four axes that broadcast to (n0, n1, n2, n3).
//
// The whole trick is a stride of 0: along an axis that is repeated, the place in memory does not move.
//
//     i  ->  (i0, i1, i2, i3)  ->  place in x = i0 sx0 + i1 sx1 + i2 sx2 + i3 sx3
//
// Three divisions an element are not free; that is why generated code writes a loop for the shape at hand.
extern "C" __global__ void add_strided(const real* x, const real* y, real* z, int n0, int n1, int n2, int n3,
                                       int sx0, int sx1, int sx2, int sx3, int sy0, int sy1, int sy2, int sy3)
{
    int n = n0 * n1 * n2 * n3;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        int i3 = i % n3, rest = i / n3;
        int i2 = rest % n2;
        rest /= n2;
        int i1 = rest % n1, i0 = rest / n1;
        z[i] = x[i0 * sx0 + i1 * sx1 + i2 * sx2 + i3 * sx3] + y[i0 * sy0 + i1 * sy1 + i2 * sy2 + i3 * sy3];
    }
}

// gb[j] = Σ_i g[i, j], the gradient of the bias in add_row: one thread a column.
//
//     thread   0 1 2 3 ...        neighbours read neighbours in every row, so this is coalesced though each thread
//     row 0    . . . .            jumps by a whole row; but with few columns there are few threads,
//     row 1    . . . .            and each walks all rows alone
extern "C" __global__ void column_sum_naive(const real* g, real* gb, int rows, int columns)
{
    int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= columns)
        return;
    real sum = 0;
    for (int i = 0; i < rows; i++)
        sum += g[i * columns + j];
    gb[j] = sum;
}

#ifndef LANES
#define LANES 8
#endif

// The same with LANES threads a column, block (32, LANES). Each takes every LANES-th row; their sums meet in shared
// memory. A warp is one row of the block, 32 neighbouring columns: reads of g stay coalesced, and in shared memory
// 32 neighbours lie in 32 banks.
extern "C" __global__ void column_sum(const real* g, real* gb, int rows, int columns)
{
    __shared__ real sums[LANES][32];
    int j = blockIdx.x * 32 + threadIdx.x;
    real sum = 0;
    if (j < columns)
        for (int i = threadIdx.y; i < rows; i += LANES)
            sum += g[i * columns + j];
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && j < columns) {
        for (int lane = 1; lane < LANES; lane++)
            sum += sums[lane][threadIdx.x];
        gb[j] = sum;
    }
}

// Matrix product, rung by rung:  C[i, j] = Σ_k A[i, k] B[k, j],  A (m, k), B (k, n), C (m, n)
//
// There are 2 m n k operations on only m k + k n numbers, so each number is used many times. The ladder is about where
// it comes from at each use: memory, the block's shared memory, or a register. `flops per byte` grows from rung to
// rung.
//
//     rung            a thread computes   each value loaded from memory serves   from shared memory
//     naive           1 element           1 multiplication                       -
//     tiled           1 element           TILE = 16                              1
//     registers       4 x 4               64                                     4
//     vectorised      8 x 8               128                                    8, in loads of 16 bytes
//     (tensor cores)  see matmul_tensor.cu
//
//     #define REAL           the type of the numbers: float (default) or double
//     #define A_TRANSPOSED   A lies in memory as (k, m): the product Aᵀ B, as in the gradient of B
//     #define B_TRANSPOSED   B lies in memory as (n, k): the product A Bᵀ, as in the gradient of A
//
// Gradients: gA = g Bᵀ, gB = Aᵀ g. Many products in one launch: blockIdx.z counts them, and each operand moves on by
// its stride (0: the same for all).

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

// Element (i, l) of A and (l, j) of B, whichever way they lie.
__device__ long long a_at(int i, int l, int m, int k)
{
#ifdef A_TRANSPOSED
    return (long long)l * m + i;
#else
    return (long long)i * k + l;
#endif
}

__device__ long long b_at(int l, int j, int k, int n)
{
#ifdef B_TRANSPOSED
    return (long long)j * k + l;
#else
    return (long long)l * n + j;
#endif
}

// Rung 1. One element a thread, straight from memory: two loads for one multiplication and one addition.
//
//     warp: 32 neighbours in a row of C     A[i, l] is the same for all of them (one sector),
//                                           B[l, j] are 32 neighbours (4 sectors)
extern "C" __global__ void matmul_naive(const real* A, const real* B, real* C, int m, int n, int k, long long a_stride,
                                        long long b_stride, long long c_stride)
{
    int j = blockIdx.x * blockDim.x + threadIdx.x, i = blockIdx.y * blockDim.y + threadIdx.y;
    if (i >= m || j >= n)
        return;
    A += blockIdx.z * a_stride;
    B += blockIdx.z * b_stride;
    C += blockIdx.z * c_stride;
    real sum = 0;
    for (int l = 0; l < k; l++)
        sum += A[a_at(i, l, m, k)] * B[b_at(l, j, k, n)];
    C[(long long)i * n + j] = sum;
}

#ifndef TILE
#define TILE 16
#endif

// Rung 2. A block computes a tile of C. It walks along k in steps of TILE; in each, all threads together load a tile of
// A and one of B into shared memory, and each thread then uses a row of one and a column of the other.
//
//              B  [ . # . ]            #: the tiles at one step. TILE² threads load 2 TILE² numbers and do
//     A           [ . # . ]               TILE³ multiplications with them.
//     [ # # # ]   [ . C . ]
//
// Two barriers a step: nobody may compute before all have loaded, nor load before all have computed.
extern "C" __global__ void matmul_tiled(const real* A, const real* B, real* C, int m, int n, int k, long long a_stride,
                                        long long b_stride, long long c_stride)
{
    __shared__ real a[TILE][TILE], b[TILE][TILE];
    int tx = threadIdx.x, ty = threadIdx.y, j = blockIdx.x * TILE + tx, i = blockIdx.y * TILE + ty;
    A += blockIdx.z * a_stride;
    B += blockIdx.z * b_stride;
    C += blockIdx.z * c_stride;
    real sum = 0;
    for (int start = 0; start < k; start += TILE) {
        a[ty][tx] = i < m && start + tx < k ? A[a_at(i, start + tx, m, k)] : (real)0;
        b[ty][tx] = start + ty < k && j < n ? B[b_at(start + ty, j, k, n)] : (real)0;
        __syncthreads();
#pragma unroll
        for (int l = 0; l < TILE; l++)
            sum += a[ty][l] * b[l][tx];
        __syncthreads();
    }
    if (i < m && j < n)
        C[(long long)i * n + j] = sum;
}

// Rung 3. The inner loop of rung 2 reads two numbers from shared memory for each multiplication, and that is its limit.
// Here a thread computes 4 x 4 elements: it takes 4 numbers of A and 4 of B into registers and multiplies each with
// each, 8 loads for 16 multiplications.
//
//                 b0 b1 b2 b3            256 threads, 16 by 16, compute 64 by 64 elements of C;
//             a0   *  *  *  *            a thread's columns are 16 apart (tx, tx + 16, ...), so the
//             a1   *  *  *  *            threads of a warp read neighbours in shared memory
//             a2   *  *  *  *
//             a3   *  *  *  *
//
// The tile of A is kept turned (l first) and padded by 8 bytes a row, so that it is written without bank conflicts: a
// warp writes 16 l of two neighbouring i, and (66 l + i) % 32 = (2 l + i) % 32 is a bank of its own for each of them.
extern "C" __global__ void __launch_bounds__(256)
    matmul_registers(const real* __restrict__ A, const real* __restrict__ B, real* __restrict__ C, int m, int n, int k,
                     long long a_stride, long long b_stride, long long c_stride)
{
    __shared__ real a[16][64 + 8 / sizeof(real)], b[16][64 + 8 / sizeof(real)];
    int t = threadIdx.x, tx = t % 16, ty = t / 16, left = blockIdx.x * 64, top = blockIdx.y * 64;
    A += blockIdx.z * a_stride;
    B += blockIdx.z * b_stride;
    C += blockIdx.z * c_stride;
    real sum[4][4] = {};
    for (int start = 0; start < k; start += 16) {
        for (int e = t; e < 64 * 16; e += 256) { // neighbouring threads along the axis that is contiguous in memory
#ifdef A_TRANSPOSED
            int l = e / 64, i = e % 64;
#else
            int l = e % 16, i = e / 16;
#endif
            a[l][i] = top + i < m && start + l < k ? A[a_at(top + i, start + l, m, k)] : (real)0;
        }
        for (int e = t; e < 16 * 64; e += 256) {
#ifdef B_TRANSPOSED
            int l = e % 16, j = e / 16;
#else
            int l = e / 64, j = e % 64;
#endif
            b[l][j] = start + l < k && left + j < n ? B[b_at(start + l, left + j, k, n)] : (real)0;
        }
        __syncthreads();
#pragma unroll
        for (int l = 0; l < 16; l++) {
            real column[4], row[4];
#pragma unroll
            for (int u = 0; u < 4; u++) {
                column[u] = a[l][ty + 16 * u];
                row[u] = b[l][tx + 16 * u];
            }
#pragma unroll
            for (int u = 0; u < 4; u++)
#pragma unroll
                for (int v = 0; v < 4; v++)
                    sum[u][v] += column[u] * row[v];
        }
        __syncthreads();
    }
    for (int u = 0; u < 4; u++)
        for (int v = 0; v < 4; v++) {
            int i = top + ty + 16 * u, j = left + tx + 16 * v;
            if (i < m && j < n)
                C[(long long)i * n + j] = sum[u][v];
        }
}

// ---- rung 4 ---------------------------------------------------------------------------------------------------------

// Four neighbours in a row of a matrix (rows, columns), zeros outside. One load of 16 bytes where the row begins at a
// multiple of 16 bytes, four of 4 bytes elsewhere.
__device__ float4 four(const float* __restrict__ x, int row, int column, int rows, int columns)
{
    float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (row >= rows || column >= columns)
        return v;
    const float* p = x + (long long)row * columns + column;
    if (columns % 4 == 0)
        return *reinterpret_cast<const float4*>(p);
    v.x = p[0];
    if (column + 1 < columns)
        v.y = p[1];
    if (column + 2 < columns)
        v.z = p[2];
    if (column + 3 < columns)
        v.w = p[3];
    return v;
}

// Rung 4. 8 x 8 elements a thread, 128 x 128 a block, float only, neither operand transposed. Three things are new:
//
// - every load, from memory and from shared memory, is of 16 bytes (float4). A thread's 8 rows are two groups of 4 that
//   are 64 apart, and so are its columns: the lanes of a warp then read 16 bytes each that lie side by side.
// - the next tiles are loaded from memory into registers before the current ones are used, so the wait for memory is
//   spent computing;
// - two pairs of tiles in shared memory: while one is read the next is written, and one barrier a step is enough.
extern "C" __global__ void __launch_bounds__(256)
    matmul_vectorised(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C, int m, int n,
                      int k, long long a_stride, long long b_stride, long long c_stride)
{
    // a is turned: a[stage][l][i]. The padding of 4 keeps 16-byte loads aligned and spreads the writes over banks.
    __shared__ __align__(16) float a[2][8][128 + 4], b[2][8][128];
    int t = threadIdx.x, tx = t % 16, ty = t / 16, left = blockIdx.x * 128, top = blockIdx.y * 128;
    A += blockIdx.z * a_stride;
    B += blockIdx.z * b_stride;
    C += blockIdx.z * c_stride;
    int a_row = t / 2, a_column = t % 2 * 4, b_row = t / 32, b_column = t % 32 * 4; // what this thread loads
    float sum[8][8] = {};

    float4 next_a = four(A, top + a_row, a_column, m, k), next_b = four(B, b_row, left + b_column, k, n);
    int stage = 0;
    for (int start = 0; start < k; start += 8) {
        a[stage][a_column + 0][a_row] = next_a.x;
        a[stage][a_column + 1][a_row] = next_a.y;
        a[stage][a_column + 2][a_row] = next_a.z;
        a[stage][a_column + 3][a_row] = next_a.w;
        *reinterpret_cast<float4*>(&b[stage][b_row][b_column]) = next_b;
        __syncthreads();
        if (start + 8 < k) {
            next_a = four(A, top + a_row, start + 8 + a_column, m, k);
            next_b = four(B, start + 8 + b_row, left + b_column, k, n);
        }
#pragma unroll
        for (int l = 0; l < 8; l++) {
            float4 low = *reinterpret_cast<const float4*>(&a[stage][l][4 * ty]);
            float4 high = *reinterpret_cast<const float4*>(&a[stage][l][64 + 4 * ty]);
            float column[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
            low = *reinterpret_cast<const float4*>(&b[stage][l][4 * tx]);
            high = *reinterpret_cast<const float4*>(&b[stage][l][64 + 4 * tx]);
            float row[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
            for (int u = 0; u < 8; u++)
#pragma unroll
                for (int v = 0; v < 8; v++)
                    sum[u][v] += column[u] * row[v];
        }
        stage ^= 1;
    }
#pragma unroll
    for (int u = 0; u < 8; u++)
#pragma unroll
        for (int v = 0; v < 8; v += 4) {
            int i = top + u / 4 * 64 + 4 * ty + u % 4, j = left + v / 4 * 64 + 4 * tx;
            if (i >= m || j >= n)
                continue;
            float* c = C + (long long)i * n + j;
            if (n % 4 == 0) {
                *reinterpret_cast<float4*>(c) = make_float4(sum[u][v], sum[u][v + 1], sum[u][v + 2], sum[u][v + 3]);
                continue;
            }
#pragma unroll
            for (int w = 0; w < 4; w++)
                if (j + w < n)
                    c[w] = sum[u][v + w];
        }
}

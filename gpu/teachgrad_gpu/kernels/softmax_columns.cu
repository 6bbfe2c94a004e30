// Softmax down the columns: along the middle axis of x (outer, n, inner).
//
//     z[o, j, i] = exp(x[o, j, i] - m[o, i]) / Σ_j exp(x[o, j, i] - m[o, i])
//
// Neighbours in memory belong to different columns, so a warp reads 32 columns at once, and LANES warps share out the
// rows of these. What each has found of a column, the threads of the block put together in shared memory.
//
//                   column i        one block: 32 columns, LANES rows at a time
//     threadIdx.y 0   x x x ... x
//                 1   x x x ... x    read together: 32 neighbours
//                 0   x x x ... x    the next round
//
// This is what lies between the two products of attention, whose scores have the keys as rows and the queries as
// columns. With `causal`, column i sees the rows 0 ... i alone: the others are not read, and become 0.
//
//     #define REAL   the type of the numbers: float (default) or double
//     #define LANES  how many threads share a column (default 8)
//
// x and z, or g and gx, may be the same array: what a thread writes it has read itself, and no other thread reads it.

#ifndef REAL
#define REAL float
#endif
#ifndef LANES
#define LANES 8
#endif
typedef REAL real;

#define NOTHING (-(real)__int_as_float(0x7f800000)) // -infinity

// A sum of exponentials taken from one maximum, seen from another (see softmax.cu).
__device__ real rescaled(real sum, real from, real to)
{
    return from == to ? sum : sum * exp(from - to);
}

// Maximum and sum in one walk down the column, then a second walk for the result.
extern "C" __global__ void __launch_bounds__(32 * LANES) softmax_columns(const real* x, real* z, int n, int inner,
                                                                         int causal)
{
    __shared__ real maxima[LANES][32], sums[LANES][32];
    int i = blockIdx.x * 32 + threadIdx.x, seen = causal ? min(n, i + 1) : n;
    long long start = (long long)blockIdx.y * n * inner + i;
    real m = NOTHING, sum = 0;
    if (i < inner)
        for (int j = threadIdx.y; j < seen; j += LANES) {
            real v = x[start + (long long)j * inner], larger = fmax(m, v);
            sum = rescaled(sum, m, larger) + (v == NOTHING ? (real)0 : exp(v - larger));
            m = larger;
        }
    maxima[threadIdx.y][threadIdx.x] = m;
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    for (int lane = 0; lane < LANES; lane++)
        m = fmax(m, maxima[lane][threadIdx.x]);
    sum = 0;
    for (int lane = 0; lane < LANES; lane++)
        sum += rescaled(sums[lane][threadIdx.x], maxima[lane][threadIdx.x], m);
    real scale = (real)1 / sum;
    if (i < inner)
        for (int j = threadIdx.y; j < n; j += LANES) {
            long long at = start + (long long)j * inner;
            z[at] = j < seen ? exp(x[at] - m) * scale : (real)0;
        }
}

// gx = z (g - Σ_j g z), in the same way.
extern "C" __global__ void __launch_bounds__(32 * LANES)
    softmax_columns_backward(const real* g, const real* z, real* gx, int n, int inner)
{
    __shared__ real dots[LANES][32];
    int i = blockIdx.x * 32 + threadIdx.x;
    long long start = (long long)blockIdx.y * n * inner + i;
    real dot = 0;
    if (i < inner)
        for (int j = threadIdx.y; j < n; j += LANES)
            dot += g[start + (long long)j * inner] * z[start + (long long)j * inner];
    dots[threadIdx.y][threadIdx.x] = dot;
    __syncthreads();
    dot = 0;
    for (int lane = 0; lane < LANES; lane++)
        dot += dots[lane][threadIdx.x];
    if (i < inner)
        for (int j = threadIdx.y; j < n; j += LANES) {
            long long at = start + (long long)j * inner;
            gx[at] = z[at] * (g[at] - dot);
        }
}

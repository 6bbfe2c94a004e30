// The gradients of attention (see attention.cu), without the matrix of weights in memory: tiles of it are computed anew
// from q, k and the kept logarithms of sums. With p the weights, g the gradient of z and ∘ element by element,
//
//     gv = pᵀ g      r = g vᵀ      s = scale p ∘ (r - d),  d[t] = Σ g[t] ∘ z[t]      gq = s k      gk = sᵀ q
//
// d is what the softmax's own gradient subtracts, Σ p r, put into a form that needs no row of p.
//
//     #define REAL   the type of the numbers: float (default) or double
//     #define WIDTH  a multiple of 16 that is at least the width (default 64)
//     #define TILE   queries and keys of a tile, a multiple of 16 (default 32)
//
// Two kernels, because a sum over queries and one over keys cannot both stay in the registers of one block: with the
// keys divided among blocks gq would have to be added up by atomics.

#ifndef REAL
#define REAL float
#endif
#ifndef WIDTH
#define WIDTH 64
#endif
#ifndef TILE
#define TILE 32
#endif
typedef REAL real;

// d[t] = Σ_e g[t, e] z[t, e]: a warp a query, over all of them.
extern "C" __global__ void attention_backward_dots(const real* g, const real* z, real* d, int rows, int width)
{
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    real sum = 0;
    for (int e = lane; e < width; e += 32)
        sum += g[(long long)row * width + e] * z[(long long)row * width + e];
    for (int distance = 16; distance > 0; distance /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, distance);
    if (lane == 0)
        d[row] = sum;
}

// Rows first ... first + TILE of a matrix (rows, width); zeros outside.
__device__ void load(const real* x, real (*tile)[WIDTH + 1], int first, int rows, int width)
{
    for (int e = threadIdx.x; e < TILE * WIDTH; e += blockDim.x) {
        int i = e / WIDTH, j = e % WIDTH;
        tile[i][j] = first + i < rows && j < width ? x[(long long)(first + i) * width + j] : (real)0;
    }
}

// p and s of a tile: thread (ty, tx) has the queries ty, ty + 16, ... and the keys tx, tx + 16, ... of it. What lies
// outside has p = s = 0, and so adds nothing anywhere.
__device__ void weights(real (*q)[WIDTH + 1], real (*k)[WIDTH + 1], real (*v)[WIDTH + 1], real (*g)[WIDTH + 1],
                        const real* log_sums, const real* d, real (*p)[TILE + 1], real (*s)[TILE + 1], int top,
                        int first, int queries, int keys, real scale, int causal)
{
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    for (int i = ty; i < TILE; i += 16)
        for (int j = tx; j < TILE; j += 16) {
            bool seen = top + i < queries && first + j < keys && (!causal || first + j <= top + i);
            real score = 0, r = 0;
#pragma unroll 8
            for (int e = 0; e < WIDTH; e++) {
                score += q[i][e] * k[j][e];
                r += g[i][e] * v[j][e];
            }
            real weight = seen ? exp(scale * score - log_sums[top + i]) : (real)0;
            if (p)
                p[i][j] = weight;
            s[i][j] = seen ? scale * weight * (r - d[top + i]) : (real)0;
        }
}

// gk and gv: a block keeps a tile of keys and walks over the queries (with `causal`, over those that are not before
// them).
extern "C" __global__ void __launch_bounds__(256)
    attention_backward_keys(const real* g, const real* q, const real* k, const real* v, const real* log_sums,
                            const real* d, real* gk, real* gv, int queries, int keys, int width, real scale, int causal)
{
    __shared__ real q_tile[TILE][WIDTH + 1], k_tile[TILE][WIDTH + 1], v_tile[TILE][WIDTH + 1], g_tile[TILE][WIDTH + 1];
    __shared__ real p[TILE][TILE + 1], s[TILE][TILE + 1];
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16, first = blockIdx.x * TILE;
    long long of_queries = (long long)blockIdx.y * queries, of_keys = (long long)blockIdx.y * keys;
    load(k + of_keys * width, k_tile, first, keys, width);
    load(v + of_keys * width, v_tile, first, keys, width);
    real sum_k[TILE / 16][WIDTH / 16] = {}, sum_v[TILE / 16][WIDTH / 16] = {};
    for (int top = causal ? first : 0; top < queries; top += TILE) {
        __syncthreads(); // all are done with the tiles before
        load(q + of_queries * width, q_tile, top, queries, width);
        load(g + of_queries * width, g_tile, top, queries, width);
        __syncthreads();
        weights(q_tile, k_tile, v_tile, g_tile, log_sums + of_queries, d + of_queries, p, s, top, first, queries, keys,
                scale, causal);
        __syncthreads();
        for (int i = 0; i < TILE; i++)
#pragma unroll
            for (int u = 0; u < TILE / 16; u++)
#pragma unroll
                for (int w = 0; w < WIDTH / 16; w++) {
                    sum_v[u][w] += p[i][ty + 16 * u] * g_tile[i][tx + 16 * w];
                    sum_k[u][w] += s[i][ty + 16 * u] * q_tile[i][tx + 16 * w];
                }
    }
    for (int u = 0; u < TILE / 16; u++)
        for (int w = 0; w < WIDTH / 16; w++) {
            int key = first + ty + 16 * u, e = tx + 16 * w;
            if (key < keys && e < width) {
                gk[(of_keys + key) * width + e] = sum_k[u][w];
                gv[(of_keys + key) * width + e] = sum_v[u][w];
            }
        }
}

// gq: a block keeps a tile of queries and walks over the keys (with `causal`, over those that are not after them).
extern "C" __global__ void __launch_bounds__(256)
    attention_backward_queries(const real* g, const real* q, const real* k, const real* v, const real* log_sums,
                               const real* d, real* gq, int queries, int keys, int width, real scale, int causal)
{
    __shared__ real q_tile[TILE][WIDTH + 1], k_tile[TILE][WIDTH + 1], v_tile[TILE][WIDTH + 1], g_tile[TILE][WIDTH + 1];
    __shared__ real s[TILE][TILE + 1];
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16, top = blockIdx.x * TILE;
    long long of_queries = (long long)blockIdx.y * queries, of_keys = (long long)blockIdx.y * keys;
    load(q + of_queries * width, q_tile, top, queries, width);
    load(g + of_queries * width, g_tile, top, queries, width);
    real sum[TILE / 16][WIDTH / 16] = {};
    int end = causal ? min(keys, top + TILE) : keys;
    for (int first = 0; first < end; first += TILE) {
        __syncthreads();
        load(k + of_keys * width, k_tile, first, keys, width);
        load(v + of_keys * width, v_tile, first, keys, width);
        __syncthreads();
        weights(q_tile, k_tile, v_tile, g_tile, log_sums + of_queries, d + of_queries, nullptr, s, top, first, queries,
                keys, scale, causal);
        __syncthreads();
        for (int j = 0; j < TILE; j++)
#pragma unroll
            for (int u = 0; u < TILE / 16; u++)
#pragma unroll
                for (int w = 0; w < WIDTH / 16; w++)
                    sum[u][w] += s[ty + 16 * u][j] * k_tile[j][tx + 16 * w];
    }
    for (int u = 0; u < TILE / 16; u++)
        for (int w = 0; w < WIDTH / 16; w++) {
            int t = top + ty + 16 * u, e = tx + 16 * w;
            if (t < queries && e < width)
                gq[(of_queries + t) * width + e] = sum[u][w];
        }
}

// Attention:  z = softmax(scale q kᵀ) v,  q (batch, queries, width), k and v (batch, keys, width)
//
// `batch` counts images and heads together. With `causal`, query t sees the keys 0 ... t. Besides z, the logarithm of
// each query's sum of exponentials is kept: from it the backward pass (attention_backward.cu) computes the weights
// anew, so the matrix of queries x keys is never in memory.
//
//     #define REAL     the type of the numbers: float (default) or double
//     #define WIDTH    a multiple of 16 that is at least the width (default 64)
//     #define QUERIES, KEYS   the tile of attention_tiled, multiples of 16 (default 64, 32)
//
// Sources: A. Vaswani et al., "Attention is all you need" (2017); T. Dao, D. Fu, S. Ermon, A. Rudra, C. Ré,
// "FlashAttention: fast and memory-efficient exact attention with IO-awareness" (2022).

#ifndef REAL
#define REAL float
#endif
#ifndef WIDTH
#define WIDTH 64
#endif
#ifndef QUERIES
#define QUERIES 64
#endif
#ifndef KEYS
#define KEYS 32
#endif
typedef REAL real;

#define NOTHING (-(real)__int_as_float(0x7f800000)) // -infinity, by its bits: no header is needed for that

__device__ real warp_max(real v)
{
    for (int distance = 16; distance > 0; distance /= 2)
        v = fmax(v, __shfl_xor_sync(0xffffffffu, v, distance));
    return v;
}

__device__ real warp_sum(real v)
{
    for (int distance = 16; distance > 0; distance /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, distance);
    return v;
}

// Naive: a warp a query, which keeps its scores in shared memory (keys numbers). All of k and v are read again for
// every query, and while the scores are computed each lane walks along a key of its own: 32 rows at once, not
// coalesced.
extern "C" __global__ void attention_naive(const real* q, const real* k, const real* v, real* z, real* log_sums,
                                           int queries, int keys, int width, real scale, int causal)
{
    extern __shared__ __align__(16) unsigned char memory[];
    real* weights = reinterpret_cast<real*>(memory);
    int t = blockIdx.x, lane = threadIdx.x, seen = causal ? min(t + 1, keys) : keys;
    q += ((long long)blockIdx.y * queries + t) * width;
    z += ((long long)blockIdx.y * queries + t) * width;
    k += (long long)blockIdx.y * keys * width;
    v += (long long)blockIdx.y * keys * width;

    real m = NOTHING;
    for (int s = lane; s < seen; s += 32) {
        real score = 0;
        for (int e = 0; e < width; e++)
            score += q[e] * k[s * width + e];
        weights[s] = score * scale;
        m = fmax(m, score * scale);
    }
    m = warp_max(m);
    real sum = 0;
    for (int s = lane; s < seen; s += 32) {
        weights[s] = exp(weights[s] - m);
        sum += weights[s];
    }
    sum = warp_sum(sum);
    __syncwarp(); // each lane reads what the others wrote to `weights`
    for (int e = lane; e < width; e += 32) {
        real total = 0;
        for (int s = 0; s < seen; s++)
            total += weights[s] * v[s * width + e];
        z[e] = total / sum;
    }
    if (lane == 0)
        log_sums[blockIdx.y * queries + t] = m + log(sum);
}

// Rows first ... first + count of a matrix (rows, width) into a tile whose rows are WIDTH long; zeros outside.
__device__ void load(const real* x, real* tile, int pitch, int first, int count, int rows, int width)
{
    for (int e = threadIdx.x; e < count * WIDTH; e += blockDim.x) {
        int i = e / WIDTH, j = e % WIDTH;
        tile[i * pitch + j] = first + i < rows && j < width ? x[(long long)(first + i) * width + j] : (real)0;
    }
}

// The scores of query t against a tile of keys that begins at `first`, joined to those before: their weights go to a
// row of p, and the query's m and sum are brought up to date. What was summed up before has to be multiplied by the
// result, exp(old m - new m). The 16 threads of the query have KEYS / 16 scores each.
__device__ real join(real (&score)[KEYS / 16], real* p, real& m, real& sum, int t, int first, int keys, real scale,
                     int causal)
{
    int tx = threadIdx.x % 16;
    real largest = m;
#pragma unroll
    for (int w = 0; w < KEYS / 16; w++) {
        int s = first + tx + 16 * w;
        score[w] = s < keys && (!causal || s <= t) ? score[w] * scale : NOTHING;
        largest = fmax(largest, score[w]);
    }
    for (int distance = 8; distance > 0; distance /= 2)
        largest = fmax(largest, __shfl_xor_sync(0xffffffffu, largest, distance));
    real factor = m == largest ? (real)1 : exp(m - largest), part = 0;
#pragma unroll
    for (int w = 0; w < KEYS / 16; w++) {
        real weight = score[w] == NOTHING ? (real)0 : exp(score[w] - largest);
        p[tx + 16 * w] = weight;
        part += weight;
    }
    for (int distance = 8; distance > 0; distance /= 2)
        part += __shfl_xor_sync(0xffffffffu, part, distance);
    m = largest;
    sum = sum * factor + part;
    return factor;
}

// Tiled, with the online softmax of softmax.cu. A block takes QUERIES queries and walks over the keys in tiles of KEYS;
// for each query it keeps the maximum m, the sum, and the weighted sum of values so far. When a tile raises m, both
// sums are rescaled by exp(old m - new m).
//
//                      keys ->  tile 0   tile 1   tile 2 ...
//     queries  [ q ]           [ p   ]  [ p   ]  [ p   ]        p = exp(scale q kᵀ - m): in shared memory, for one tile
//                               v 0      v 1      v 2
//     z = z exp(m - m') + p v
//
// 256 threads as 16 x 16: thread (ty, tx) has the queries ty, ty + 16, ...; of the scores the keys tx, tx + 16, ...,
// and of the result the columns tx, tx + 16, ... The 16 threads of a query are half a warp, so its maximum and sum take
// four shuffles, and what they write to p only they read: a barrier of the warp is enough.
//
// Each value of k and v that comes from memory serves QUERIES queries instead of one.
extern "C" __global__ void __launch_bounds__(256)
    attention_tiled(const real* __restrict__ q, const real* __restrict__ k, const real* __restrict__ v,
                    real* __restrict__ z, real* log_sums, int queries, int keys, int width, real scale, int causal)
{
    // one more column than needed: a column then lies in different banks
    __shared__ real q_tile[QUERIES][WIDTH + 1], k_tile[KEYS][WIDTH + 1], v_tile[KEYS][WIDTH], p[QUERIES][KEYS + 1];
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16, top = blockIdx.x * QUERIES;
    q += (long long)blockIdx.y * queries * width;
    z += (long long)blockIdx.y * queries * width;
    k += (long long)blockIdx.y * keys * width;
    v += (long long)blockIdx.y * keys * width;
    load(q, &q_tile[0][0], WIDTH + 1, top, QUERIES, queries, width);

    real m[QUERIES / 16], sum[QUERIES / 16], result[QUERIES / 16][WIDTH / 16] = {};
    for (int u = 0; u < QUERIES / 16; u++) {
        m[u] = NOTHING;
        sum[u] = 0;
    }
    int end = causal ? min(keys, top + QUERIES) : keys; // no query of this block sees a key after that
    for (int first = 0; first < end; first += KEYS) {
        __syncthreads(); // all are done with the tiles before
        load(k, &k_tile[0][0], WIDTH + 1, first, KEYS, keys, width);
        load(v, &v_tile[0][0], WIDTH, first, KEYS, keys, width);
        __syncthreads();

        real score[QUERIES / 16][KEYS / 16] = {};
#pragma unroll 8
        for (int e = 0; e < WIDTH; e++)
#pragma unroll
            for (int u = 0; u < QUERIES / 16; u++)
#pragma unroll
                for (int w = 0; w < KEYS / 16; w++)
                    score[u][w] += q_tile[ty + 16 * u][e] * k_tile[tx + 16 * w][e];

#pragma unroll
        for (int u = 0; u < QUERIES / 16; u++) {
            real factor = join(score[u], p[ty + 16 * u], m[u], sum[u], top + ty + 16 * u, first, keys, scale, causal);
#pragma unroll
            for (int w = 0; w < WIDTH / 16; w++)
                result[u][w] *= factor;
        }
        __syncwarp();
#pragma unroll 8
        for (int s = 0; s < KEYS; s++)
#pragma unroll
            for (int u = 0; u < QUERIES / 16; u++)
#pragma unroll
                for (int w = 0; w < WIDTH / 16; w++)
                    result[u][w] += p[ty + 16 * u][s] * v_tile[s][tx + 16 * w];
    }
    for (int u = 0; u < QUERIES / 16; u++) {
        int t = top + ty + 16 * u;
        if (t >= queries)
            continue;
        for (int w = 0; w < WIDTH / 16; w++)
            if (tx + 16 * w < width)
                z[(long long)t * width + tx + 16 * w] = result[u][w] / sum[u];
        if (tx == 0)
            log_sums[blockIdx.y * queries + t] = m[u] + log(sum[u]);
    }
}

// ---- the same, with shared memory read 16 bytes at a time -----------------------------------------------------------

// Four neighbours, moved by one instruction (two for double).
struct __align__(4 * sizeof(real)) Four {
    real at[4];
};

// As `load`, four numbers at a time where the rows of x begin at a multiple of four numbers. The tile is WIDTH wide.
__device__ void load_fours(const real* x, real* tile, int pitch, int first, int count, int rows, int width)
{
    if (width % 4 != 0) {
        load(x, tile, pitch, first, count, rows, width);
        return;
    }
    for (int e = threadIdx.x; e < count * (WIDTH / 4); e += blockDim.x) {
        int i = e / (WIDTH / 4), j = e % (WIDTH / 4) * 4;
        Four v = {};
        if (first + i < rows && j < width)
            v = *reinterpret_cast<const Four*>(x + (long long)(first + i) * width + j);
        *reinterpret_cast<Four*>(tile + i * pitch + j) = v;
    }
}

// What limits attention_tiled is shared memory: 6 loads for 8 multiplications of q and k. Here each load brings four
// numbers along the width, so 6 loads serve 32. For p v, a thread owns four neighbouring columns instead of four that
// are 16 apart: one load of v serves 4 x 4 multiplications. WIDTH must be a multiple of 64, narrower matrices are
// padded.
//
//     q   [. . . .]         k   [. . . .]       score[u][w] += four products at once
//
// Rows are padded by 4 numbers: they stay aligned, and 8 lanes that read 8 rows read 32 different banks. The bounds
// leave the compiler 128 registers a thread, for two blocks a multiprocessor: for three it would have to spill some.
extern "C" __global__ void __launch_bounds__(256, 2)
    attention_vectorised(const real* __restrict__ q, const real* __restrict__ k, const real* __restrict__ v,
                         real* __restrict__ z, real* log_sums, int queries, int keys, int width, real scale, int causal)
{
    __shared__ __align__(32) real q_tile[QUERIES][WIDTH + 4], k_tile[KEYS][WIDTH + 4], v_tile[KEYS][WIDTH];
    __shared__ __align__(32) real p[QUERIES][KEYS + 4];
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16, top = blockIdx.x * QUERIES;
    q += (long long)blockIdx.y * queries * width;
    z += (long long)blockIdx.y * queries * width;
    k += (long long)blockIdx.y * keys * width;
    v += (long long)blockIdx.y * keys * width;
    load_fours(q, &q_tile[0][0], WIDTH + 4, top, QUERIES, queries, width);

    real m[QUERIES / 16], sum[QUERIES / 16];
    Four result[QUERIES / 16][(WIDTH + 63) / 64] = {}; // other widths are for attention_tiled, and have to compile
    for (int u = 0; u < QUERIES / 16; u++) {
        m[u] = NOTHING;
        sum[u] = 0;
    }
    int end = causal ? min(keys, top + QUERIES) : keys;
    for (int first = 0; first < end; first += KEYS) {
        __syncthreads(); // all are done with the tiles before
        load_fours(k, &k_tile[0][0], WIDTH + 4, first, KEYS, keys, width);
        load_fours(v, &v_tile[0][0], WIDTH, first, KEYS, keys, width);
        __syncthreads();

        real score[QUERIES / 16][KEYS / 16] = {};
#pragma unroll 4
        for (int e = 0; e < WIDTH; e += 4) {
            Four rows[QUERIES / 16], columns[KEYS / 16];
#pragma unroll
            for (int u = 0; u < QUERIES / 16; u++)
                rows[u] = *reinterpret_cast<const Four*>(&q_tile[ty + 16 * u][e]);
#pragma unroll
            for (int w = 0; w < KEYS / 16; w++)
                columns[w] = *reinterpret_cast<const Four*>(&k_tile[tx + 16 * w][e]);
#pragma unroll
            for (int u = 0; u < QUERIES / 16; u++)
#pragma unroll
                for (int w = 0; w < KEYS / 16; w++)
#pragma unroll
                    for (int i = 0; i < 4; i++)
                        score[u][w] += rows[u].at[i] * columns[w].at[i];
        }
#pragma unroll
        for (int u = 0; u < QUERIES / 16; u++) {
            real factor = join(score[u], p[ty + 16 * u], m[u], sum[u], top + ty + 16 * u, first, keys, scale, causal);
#pragma unroll
            for (int w = 0; w < WIDTH / 64; w++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    result[u][w].at[i] *= factor;
        }
        __syncwarp();
#pragma unroll 2
        for (int s = 0; s < KEYS; s += 4) {
            Four of_keys[QUERIES / 16];
#pragma unroll
            for (int u = 0; u < QUERIES / 16; u++)
                of_keys[u] = *reinterpret_cast<const Four*>(&p[ty + 16 * u][s]);
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int w = 0; w < WIDTH / 64; w++) {
                    Four value = *reinterpret_cast<const Four*>(&v_tile[s + i][4 * tx + 64 * w]);
#pragma unroll
                    for (int u = 0; u < QUERIES / 16; u++)
#pragma unroll
                        for (int j = 0; j < 4; j++)
                            result[u][w].at[j] += of_keys[u].at[i] * value.at[j];
                }
        }
    }
    for (int u = 0; u < QUERIES / 16; u++) {
        int t = top + ty + 16 * u;
        if (t >= queries)
            continue;
#pragma unroll
        for (int w = 0; w < WIDTH / 64; w++) {
            int column = 4 * tx + 64 * w;
            real* place = z + (long long)t * width + column;
#pragma unroll
            for (int j = 0; j < 4; j++)
                result[u][w].at[j] /= sum[u];
            if (width % 4 == 0 && column < width)
                *reinterpret_cast<Four*>(place) = result[u][w];
            else
#pragma unroll
                for (int j = 0; j < 4; j++)
                    if (column + j < width)
                        place[j] = result[u][w].at[j];
        }
        if (tx == 0)
            log_sums[blockIdx.y * queries + t] = m[u] + log(sum[u]);
    }
}

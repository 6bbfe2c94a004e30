// Softmax over the rows of x (rows, n):  z = exp(x - m) / Σ exp(x - m),  m the maximum of the row
//
// Without m, exp overflows at 89 in float32; with it, the largest exponent is 0. The price is that a row is needed
// three times: for the maximum, for the sum, for the result. The rungs differ in how often it comes from memory, and in
// how threads agree on the two numbers.
//
//     #define REAL    the type of the numbers: float (default) or double
//     #define THREADS how many threads a block of softmax_registers has (default 256)
//     #define ITEMS   how many elements each of them keeps (default 4)
//
// Source of the online form: M. Milakov, N. Gimelshein, "Online normalizer calculation for softmax" (2018).

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

#define NOTHING (-(real)__int_as_float(0x7f800000)) // -infinity, by its bits: no header is needed for that

#ifndef THREADS
#define THREADS 256
#endif
#ifndef ITEMS
#define ITEMS 4
#endif

// Rung 1. A thread a row, three walks along it.
//
//     thread 0   x[0, 0], x[0, 1], ...      at any moment the threads of a warp read 32 different rows, n elements
//     thread 1   x[1, 0], x[1, 1], ...      apart: 32 sectors a request where 4 would do
extern "C" __global__ void softmax_naive(const real* x, real* z, int rows, int n)
{
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows)
        return;
    x += row * n;
    z += row * n;
    real m = x[0];
    for (int j = 1; j < n; j++)
        m = fmax(m, x[j]);
    real sum = 0;
    for (int j = 0; j < n; j++)
        sum += exp(x[j] - m);
    for (int j = 0; j < n; j++)
        z[j] = exp(x[j] - m) / sum;
}

// Rung 2. A block a row: neighbours read neighbours. The maximum and the sum are trees in shared memory (see sum_folded
// in reductions.cu); blockDim.x is a power of two.
extern "C" __global__ void softmax_shared(const real* x, real* z, int n)
{
    extern __shared__ __align__(16) unsigned char memory[];
    real* shared = reinterpret_cast<real*>(memory);
    int t = threadIdx.x;
    x += blockIdx.x * n;
    z += blockIdx.x * n;

    real m = x[0];
    for (int j = t; j < n; j += blockDim.x)
        m = fmax(m, x[j]);
    shared[t] = m;
    __syncthreads();
    for (int step = blockDim.x / 2; step > 0; step /= 2) {
        if (t < step)
            shared[t] = fmax(shared[t], shared[t + step]);
        __syncthreads();
    }
    m = shared[0];
    __syncthreads(); // all have read m before shared is used again

    real sum = 0;
    for (int j = t; j < n; j += blockDim.x)
        sum += exp(x[j] - m);
    shared[t] = sum;
    __syncthreads();
    for (int step = blockDim.x / 2; step > 0; step /= 2) {
        if (t < step)
            shared[t] += shared[t + step];
        __syncthreads();
    }
    sum = shared[0];

    for (int j = t; j < n; j += blockDim.x)
        z[j] = exp(x[j] - m) / sum;
}

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

// Rung 3. A warp a row: registers are exchanged, nobody waits at a barrier, and short rows leave no threads idle.
// `blockDim.x / 32` rows a block.
extern "C" __global__ void softmax_shuffled(const real* x, real* z, int rows, int n)
{
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    x += row * n;
    z += row * n;
    real m = x[0];
    for (int j = lane; j < n; j += 32)
        m = fmax(m, x[j]);
    m = warp_max(m);
    real sum = 0;
    for (int j = lane; j < n; j += 32)
        sum += exp(x[j] - m);
    sum = warp_sum(sum);
    for (int j = lane; j < n; j += 32)
        z[j] = exp(x[j] - m) / sum;
}

// What a sum of exponentials taken from one maximum is worth seen from another. Equal ones are set apart, because
// -inf - -inf is nan.
__device__ real rescaled(real sum, real from, real to)
{
    return from == to ? sum : sum * exp(from - to);
}

// exp(v - m), and 0 for v = -inf, which may be the largest so far: a masked score, say, before the others.
__device__ real weight(real v, real m)
{
    return v == NOTHING ? (real)0 : exp(v - m);
}

// The maximum m of a row and Σ exp(x - m), for every lane of the warp that has the row.
struct Normalizer {
    real m, sum;
};

// Both in one walk: whenever a larger maximum comes, the sum so far is rescaled to it. Pairs (m, sum) of different
// lanes are joined by the same rule.
__device__ Normalizer normalizer(const real* x, int n, int lane)
{
    real m = x[0], sum = 0;
    for (int j = lane; j < n; j += 32) {
        real v = x[j], larger = fmax(m, v);
        sum = rescaled(sum, m, larger) + weight(v, larger);
        m = larger;
    }
    real largest = warp_max(m);
    return {largest, warp_sum(rescaled(sum, m, largest))};
}

// Rung 4. Maximum and sum in one walk: two reads of x instead of three.
extern "C" __global__ void softmax_online(const real* x, real* z, int rows, int n)
{
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    x += row * n;
    z += row * n;
    Normalizer of = normalizer(x, n, lane);
    for (int j = lane; j < n; j += 32)
        z[j] = exp(x[j] - of.m) / of.sum;
}

// Rung 5. The row stays in registers: one read, one write, which is all that a copy does. A block of THREADS a row,
// each thread keeps ITEMS elements, so rows have at most THREADS * ITEMS. The loops are unrolled because only then is
// `v` an array of registers; an index known only while running would put it into (local) memory.
//
//     thread t    v[0] = x[t]   v[1] = x[t + THREADS]   v[2] = x[t + 2 THREADS] ...
extern "C" __global__ void __launch_bounds__(THREADS) softmax_registers(const real* __restrict__ x,
                                                                        real* __restrict__ z, int n)
{
    __shared__ real maxima[32], sums[32];
    int t = threadIdx.x, lane = t % 32, warp = t / 32;
    x += (long long)blockIdx.x * n;
    z += (long long)blockIdx.x * n;
    real v[ITEMS], m = NOTHING, sum = 0;
#pragma unroll
    for (int i = 0; i < ITEMS; i++) // all reads are on their way before the first is waited for
        v[i] = t + i * THREADS < n ? x[t + i * THREADS] : NOTHING;
#pragma unroll
    for (int i = 0; i < ITEMS; i++)
        m = fmax(m, v[i]);
    m = warp_max(m);
    if (lane == 0)
        maxima[warp] = m;
    __syncthreads();
    m = warp_max(maxima[lane < THREADS / 32 ? lane : 0]);
#pragma unroll
    for (int i = 0; i < ITEMS; i++) {
        v[i] = exp(v[i] - m); // 0 beyond the end of the row
        sum += v[i];
    }
    sum = warp_sum(sum);
    if (lane == 0)
        sums[warp] = sum;
    __syncthreads();
    sum = warp_sum(lane < THREADS / 32 ? sums[lane] : (real)0);
    real scale = (real)1 / sum;
#pragma unroll
    for (int i = 0; i < ITEMS; i++)
        if (t + i * THREADS < n)
            z[t + i * THREADS] = v[i] * scale;
}

// gx = z (g - Σ g z): each output depends on each input of its row, but all of that is one number a row. A warp a row.
extern "C" __global__ void softmax_backward(const real* g, const real* z, real* gx, int rows, int n)
{
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    g += row * n;
    z += row * n;
    gx += row * n;
    real dot = 0;
    for (int j = lane; j < n; j += 32)
        dot += g[j] * z[j];
    dot = warp_sum(dot);
    for (int j = lane; j < n; j += 32)
        gx[j] = z[j] * (g[j] - dot);
}

// z = x - m - log Σ exp(x - m). Taking the logarithm of a softmax instead would give -inf wherever that underflows.
extern "C" __global__ void log_softmax(const real* x, real* z, int rows, int n)
{
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    x += row * n;
    z += row * n;
    Normalizer of = normalizer(x, n, lane);
    real log_sum = log(of.sum);
    for (int j = lane; j < n; j += 32)
        z[j] = x[j] - of.m - log_sum;
}

// gx = g - softmax(x) Σ g, where softmax(x) = exp(z)
extern "C" __global__ void log_softmax_backward(const real* g, const real* z, real* gx, int rows, int n)
{
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    g += row * n;
    z += row * n;
    gx += row * n;
    real sum = 0;
    for (int j = lane; j < n; j += 32)
        sum += g[j];
    sum = warp_sum(sum);
    for (int j = lane; j < n; j += 32)
        gx[j] = g[j] - exp(z[j]) * sum;
}

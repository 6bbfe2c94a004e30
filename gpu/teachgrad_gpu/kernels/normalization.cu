// Layer norm and batch norm:  z = w x̂ + b  with  x̂ = (x - mean) / √(variance + eps)
//
// They are the same formula over different elements: layer norm takes mean and variance of each row, batch norm of each
// channel over all images and places. The variance is the mean of (x - mean)², never mean(x²) - mean², which cancels
// where the mean is large.
//
//     #define REAL   the type of the numbers: float (default) or double
//     #define LANES  how many threads share a column in layer_norm_backward_weights (default 8)
//     #define CENTRED  0 for layer norm without a mean, which is root-mean-square norm (default 1)
//     #define THREADS, ITEMS  threads of a block of layer_norm_registers, and numbers of each (default 256, 4)

#ifndef REAL
#define REAL float
#endif
#ifndef LANES
#define LANES 8
#endif
#ifndef CENTRED
#define CENTRED 1
#endif
typedef REAL real;

__device__ real warp_sum(real v)
{
    for (int distance = 16; distance > 0; distance /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, distance);
    return v;
}

// The sum over a block of whole warps, for every thread of it (see reductions.cu).
__device__ real block_sum(real v)
{
    __shared__ real sums[32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    v = warp_sum(v);
    __syncthreads(); // an earlier call may still be reading
    if (lane == 0)
        sums[warp] = v;
    __syncthreads();
    return warp_sum(lane < (int)blockDim.x / 32 ? sums[lane] : (real)0);
}

// ---- layer norm of x (rows, n), w and b (n): a block a row ----------------------------------------------------------

// The row is read three times, but only the first time from far away: a row of some thousand numbers stays in the cache
// next to the processor. Mean and 1/√ of each row are kept for the backward pass.
extern "C" __global__ void layer_norm(const real* __restrict__ x, const real* __restrict__ w,
                                      const real* __restrict__ b, real* __restrict__ z, real* means, real* scales,
                                      int n, real eps)
{
    x += (long long)blockIdx.x * n;
    z += (long long)blockIdx.x * n;
    real sum = 0;
    for (int j = threadIdx.x; j < n; j += blockDim.x)
        sum += x[j];
    real mean = CENTRED ? block_sum(sum) / n : (real)0;
    real squares = 0;
    for (int j = threadIdx.x; j < n; j += blockDim.x) {
        real d = x[j] - mean;
        squares += d * d;
    }
    real scale = (real)1 / sqrt(block_sum(squares) / n + eps);
    for (int j = threadIdx.x; j < n; j += blockDim.x)
        z[j] = (x[j] - mean) * scale * w[j] + b[j];
    if (threadIdx.x == 0) {
        means[blockIdx.x] = mean;
        scales[blockIdx.x] = scale;
    }
}

#ifndef THREADS
#define THREADS 256
#endif
#ifndef ITEMS
#define ITEMS 4
#endif

// The same with the row in registers (see softmax_registers in softmax.cu): one read and one write, and all reads of a
// thread are on their way at once. Rows have at most THREADS * ITEMS numbers.
extern "C" __global__ void __launch_bounds__(THREADS)
    layer_norm_registers(const real* __restrict__ x, const real* __restrict__ w, const real* __restrict__ b,
                         real* __restrict__ z, real* means, real* scales, int n, real eps)
{
    int t = threadIdx.x;
    x += (long long)blockIdx.x * n;
    z += (long long)blockIdx.x * n;
    real v[ITEMS], sum = 0, squares = 0;
#pragma unroll
    for (int i = 0; i < ITEMS; i++)
        v[i] = t + i * THREADS < n ? x[t + i * THREADS] : (real)0;
#pragma unroll
    for (int i = 0; i < ITEMS; i++)
        sum += v[i];
    real mean = CENTRED ? block_sum(sum) / n : (real)0;
#pragma unroll
    for (int i = 0; i < ITEMS; i++)
        if (t + i * THREADS < n)
            squares += (v[i] - mean) * (v[i] - mean);
    real scale = (real)1 / sqrt(block_sum(squares) / n + eps);
#pragma unroll
    for (int i = 0; i < ITEMS; i++)
        if (t + i * THREADS < n)
            z[t + i * THREADS] = (v[i] - mean) * scale * w[t + i * THREADS] + b[t + i * THREADS];
    if (t == 0) {
        means[blockIdx.x] = mean;
        scales[blockIdx.x] = scale;
    }
}

// gx = scale (u - mean(u) - x̂ mean(u x̂))  with u = g w: the two means are what flows through mean and variance.
extern "C" __global__ void layer_norm_backward(const real* __restrict__ g, const real* __restrict__ x,
                                               const real* __restrict__ w, const real* means, const real* scales,
                                               real* __restrict__ gx, int n)
{
    long long start = (long long)blockIdx.x * n;
    g += start;
    x += start;
    gx += start;
    real mean = means[blockIdx.x], scale = scales[blockIdx.x], sum = 0, dot = 0;
    for (int j = threadIdx.x; j < n; j += blockDim.x) {
        real u = g[j] * w[j];
        sum += u;
        dot += u * (x[j] - mean) * scale;
    }
    sum = CENTRED ? block_sum(sum) / n : (real)0;
    dot = block_sum(dot) / n;
    for (int j = threadIdx.x; j < n; j += blockDim.x)
        gx[j] = scale * (g[j] * w[j] - sum - (x[j] - mean) * scale * dot);
}

// gw[j] = Σ_i g[i, j] x̂[i, j],  gb[j] = Σ_i g[i, j]: sums down the columns, block (32, LANES); see column_sum in
// broadcasting.cu for the picture.
//
// Columns alone are few blocks. So gw and gb may be (parts, n): block (j, p) sums every gridDim.y-th bundle of rows,
// and a sum over the parts is left to do. A fixed order, so the bits are the same in every run.
extern "C" __global__ void layer_norm_backward_weights(const real* g, const real* x, const real* means,
                                                       const real* scales, real* gw, real* gb, int rows, int n)
{
    __shared__ real dots[LANES][32], sums[LANES][32];
    int j = blockIdx.x * 32 + threadIdx.x;
    real dot = 0, sum = 0;
    if (j < n)
        for (int i = blockIdx.y * LANES + threadIdx.y; i < rows; i += LANES * gridDim.y) {
            real u = g[i * n + j];
            dot += u * (x[i * n + j] - means[i]) * scales[i];
            sum += u;
        }
    dots[threadIdx.y][threadIdx.x] = dot;
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && j < n) {
        for (int lane = 1; lane < LANES; lane++) {
            dot += dots[lane][threadIdx.x];
            sum += sums[lane][threadIdx.x];
        }
        gw[blockIdx.y * n + j] = dot;
        gb[blockIdx.y * n + j] = sum;
    }
}

// ---- batch norm of x (outer, channels, inner): a block a channel ----------------------------------------------------
//
// Images first, (images, channels, places), is outer = images and inner = places. Images last, (channels, places,
// images), is outer = 1. Element number k of a channel:
//
//     k  ->  outer index k / inner, inner index k % inner

__device__ int element(int k, int channel, int channels, int inner)
{
    return (k / inner * channels + channel) * inner + k % inner;
}

// Training: the statistics of this batch, and the result. `variances` is the biased one, divided by the count.
extern "C" __global__ void batch_norm(const real* x, const real* w, const real* b, real* z, real* means,
                                      real* variances, int outer, int channels, int inner, real eps)
{
    int c = blockIdx.x, count = outer * inner;
    real sum = 0;
    for (int k = threadIdx.x; k < count; k += blockDim.x)
        sum += x[element(k, c, channels, inner)];
    real mean = block_sum(sum) / count;
    real squares = 0;
    for (int k = threadIdx.x; k < count; k += blockDim.x) {
        real d = x[element(k, c, channels, inner)] - mean;
        squares += d * d;
    }
    real variance = block_sum(squares) / count;
    real scale = w[c] / sqrt(variance + eps), bias = b[c];
    for (int k = threadIdx.x; k < count; k += blockDim.x) {
        int i = element(k, c, channels, inner);
        z[i] = (x[i] - mean) * scale + bias;
    }
    if (threadIdx.x == 0) {
        means[c] = mean;
        variances[c] = variance;
    }
}

// Evaluation: the statistics are given, so this is a map.
extern "C" __global__ void batch_norm_inference(const real* x, const real* w, const real* b, const real* means,
                                                const real* variances, real* z, int outer, int channels, int inner,
                                                real eps)
{
    int n = outer * channels * inner;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        int c = i / inner % channels;
        z[i] = (x[i] - means[c]) / sqrt(variances[c] + eps) * w[c] + b[c];
    }
}

// All three gradients of a channel in one block: gb = Σ g, gw = Σ g x̂, and, as in layer norm,
// gx = w scale (g - mean(g) - x̂ mean(g x̂)).
extern "C" __global__ void batch_norm_backward(const real* g, const real* x, const real* w, const real* means,
                                               const real* variances, real* gx, real* gw, real* gb, int outer,
                                               int channels, int inner, real eps)
{
    int c = blockIdx.x, count = outer * inner;
    real mean = means[c], scale = (real)1 / sqrt(variances[c] + eps), sum = 0, dot = 0;
    for (int k = threadIdx.x; k < count; k += blockDim.x) {
        int i = element(k, c, channels, inner);
        sum += g[i];
        dot += g[i] * (x[i] - mean) * scale;
    }
    sum = block_sum(sum);
    dot = block_sum(dot);
    for (int k = threadIdx.x; k < count; k += blockDim.x) {
        int i = element(k, c, channels, inner);
        gx[i] = w[c] * scale * (g[i] - sum / count - (x[i] - mean) * scale * dot / count);
    }
    if (threadIdx.x == 0) {
        gb[c] = sum;
        gw[c] = dot;
    }
}

// Cross-entropy of scores x (rows, n) and the numbers of the right classes:
//
//     loss[i] = log Σ_j exp(x[i, j]) - x[i, label[i]]
//
// Fused, it is one read of the scores: no probabilities are written down. The logarithm of the sum is kept for the
// backward pass, whose result is the softmax, less 1 at the right class.
//
//     #define REAL     the type of the scores: float (default) or double
//     #define INTEGER  the type of the labels: long long (default) or int
//     #define AHEAD    how many numbers a thread asks for before it uses them (default 8)
//
// A label equal to `ignored` gives a loss and a gradient of 0. Any other label outside of 0 ... n - 1 gives nan.

#ifndef REAL
#define REAL float
#endif
#ifndef INTEGER
#define INTEGER long long
#endif
#ifndef AHEAD
#define AHEAD 8
#endif
typedef REAL real;
typedef INTEGER integer;

#define NOTHING (-(real)__int_as_float(0x7f800000)) // -infinity

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

// Both maxima are equal: set apart, because -inf - -inf is nan.
__device__ real rescaled(real sum, real from, real to)
{
    return from == to ? sum : sum * exp(from - to);
}

// A warp a row, one walk (the online form of softmax.cu). A lane asks for AHEAD numbers at once, then uses them: while
// memory is far away, what counts is how many bytes are on their way. Only one lane needs the score of the right class.
//
//     lane l    v[0] = x[l]   v[1] = x[l + 32]   v[2] = x[l + 64] ...        then one maximum, one rescaling, AHEAD exp
//
// The loss is log Σ exp(x - m) + (m - x[label]), not log_sum - x[label]: where scores are large, log_sum has lost
// digits of the logarithm. The backward pass has to live with that: in float32, the log_sum of scores around 10000 is
// right to 5e-4 only, and so are the weights.
extern "C" __global__ void cross_entropy(const real* x, const integer* labels, real* loss, real* log_sums, int rows,
                                         int n, int ignored)
{
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    x += (long long)row * n;
    real m = x[0], sum = 0;
    for (int j = lane; j < n; j += 32 * AHEAD) {
        real v[AHEAD], larger = m;
#pragma unroll
        for (int u = 0; u < AHEAD; u++)
            v[u] = j + 32 * u < n ? x[j + 32 * u] : NOTHING;
#pragma unroll
        for (int u = 0; u < AHEAD; u++)
            larger = fmax(larger, v[u]);
        sum = rescaled(sum, m, larger);
        real from = larger == NOTHING ? (real)0 : larger; // -inf may be the largest so far, and -inf - -inf is nan
#pragma unroll
        for (int u = 0; u < AHEAD; u++)
            sum += exp(v[u] - from);
        m = larger;
    }
    real largest = warp_max(m);
    real rest = log(warp_sum(rescaled(sum, m, largest)));
    if (lane == 0) {
        integer label = labels[row];
        log_sums[row] = largest + rest;
        if (label == ignored)
            loss[row] = 0;
        else
            loss[row] = label >= 0 && label < n ? rest + (largest - x[label]) : (real)nan("");
    }
}

// gx[i, j] = g[i] (exp(x[i, j] - log_sum[i]) - [j = label[i]]): one read, one write. A row that does not count has
// 0 g[i], which is nan for a mean of no rows at all.
extern "C" __global__ void cross_entropy_backward(const real* g, const real* x, const integer* labels,
                                                  const real* log_sums, real* gx, int rows, int n, int ignored)
{
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    x += (long long)row * n;
    gx += (long long)row * n;
    integer label = labels[row];
    real scale = label == ignored ? 0 * g[row] : label >= 0 && label < n ? g[row] : (real)nan("");
    real log_sum = log_sums[row];
    for (int j = lane; j < n; j += 32)
        gx[j] = scale * (exp(x[j] - log_sum) - (j == label ? (real)1 : (real)0));
}

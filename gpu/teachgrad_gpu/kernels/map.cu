// Maps: the same function of every element.  z[i] = f(x[i])
//
// The function is GELU, x Φ(x), with Φ the distribution function of the normal distribution. A map does little
// arithmetic for what it moves (one read and one write of 4 bytes an element), so it runs at the speed of memory, and
// what matters is how threads divide the elements.
//
//     #define REAL   the type of the numbers: float (default) or double

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

__device__ real gelu(real x)
{
    return (real)0.5 * x * ((real)1 + erf(x * (real)0.70710678118654752440));
}

// dz/dx = Φ(x) + x φ(x)
__device__ real gelu_slope(real x)
{
    real below = (real)0.5 * ((real)1 + erf(x * (real)0.70710678118654752440));
    return below + x * (real)0.39894228040143267794 * exp((real)-0.5 * x * x);
}

// One thread an element. Blocks are whole, n need not be a multiple of them: the last threads must do nothing.
//
//     thread   0   1   2 ...  31 | 32  33 ...
//     x        0   1   2 ...  31 | 32  33 ...      a warp reads 32 neighbours: 128 bytes, 4 sectors of 32
extern "C" __global__ void gelu_guarded(const real* x, real* z, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        z[i] = gelu(x[i]);
}

// As many threads as the device holds at once, each takes an element and goes on by the size of the whole grid. Any
// grid is right for any n, and threads are started once. Neighbours still read neighbours, in every round.
//
//     round 0   thread 0 1 2 3 ... T-1
//     round 1   thread 0 1 2 3 ... T-1             at elements T, T+1, ...
extern "C" __global__ void gelu_strided(const real* x, real* z, int n)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        z[i] = gelu(x[i]);
}

// Four neighbours a thread, in one instruction of 16 bytes: a quarter of the instructions for the same bytes. The
// arrays must begin at a multiple of 16 bytes. What is left over at the end, at most three elements, goes one by one.
extern "C" __global__ void gelu_vectorised(const float* __restrict__ x, float* __restrict__ z, int n)
{
    int thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
    for (int i = thread; i < n / 4; i += threads) {
        float4 v = reinterpret_cast<const float4*>(x)[i];
        v.x = gelu(v.x);
        v.y = gelu(v.y);
        v.z = gelu(v.z);
        v.w = gelu(v.w);
        reinterpret_cast<float4*>(z)[i] = v;
    }
    for (int i = n / 4 * 4 + thread; i < n; i += threads)
        z[i] = gelu(x[i]);
}

// gx = g f'(x). The value is not needed, x is: so x must be kept from the forward pass.
extern "C" __global__ void gelu_backward(const real* g, const real* x, real* gx, int n)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        gx[i] = g[i] * gelu_slope(x[i]);
}

// The yardstick: nothing but a read and a write. No map can be faster than this.
extern "C" __global__ void copy_vectorised(const float* __restrict__ x, float* __restrict__ z, int n)
{
    int thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
    for (int i = thread; i < n / 4; i += threads)
        reinterpret_cast<float4*>(z)[i] = reinterpret_cast<const float4*>(x)[i];
    for (int i = n / 4 * 4 + thread; i < n; i += threads)
        z[i] = x[i];
}

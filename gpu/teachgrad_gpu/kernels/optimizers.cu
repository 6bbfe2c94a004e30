// What a parameter becomes in one step, and the running values beside it, in one pass over memory.
//
// As separate ops, Adam would read and write its arrays some ten times. Fused, a thread reads p, g, m, v of its
// element, does all the arithmetic in registers, and writes p, m, v: 28 bytes an element, which is all there is to pay.
//
//     #define REAL   the type of the numbers: float (default) or double
//
// Numbers that change from step to step, such as the learning rate, are in memory and not arguments: so a recorded
// launch (a CUDA graph) can be replayed with new ones.

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

// p = p - η g: gradient descent, 12 bytes an element.
extern "C" __global__ void sgd(real* p, const real* g, const real* rate, int n)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        p[i] -= rate[0] * g[i];
}

// d = g + λ p,   v = μ v + (1 - δ) d,   p = p - η v,   or p - η (d + μ v) looking ahead (Nesterov)
extern "C" __global__ void sgd_momentum(real* p, const real* g, real* v, const real* rate, int n, real momentum,
                                        real dampening, real decay, int nesterov)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        real d = g[i] + decay * p[i];
        real velocity = momentum * v[i] + ((real)1 - dampening) * d;
        v[i] = velocity;
        p[i] -= rate[0] * (nesterov ? d + momentum * velocity : velocity);
    }
}

// m = m + (1 - β1)(d - m),   v = β2 v + (1 - β2) d²,   p = (1 - η decay) p - η m̂ / (√v̂ + eps)
// with m̂ = m / (1 - β1^t),  v̂ = v / (1 - β2^t) and d = g + l2 p.  `decay` is AdamW's, `l2` the one of plain Adam.
//
// step[0] is t, counted from 1. The powers are computed in double, once a thread: 1 - β^t loses digits in float.
//
// Source: D. Kingma, J. Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1; I. Loshchilov, F. Hutter,
// "Decoupled weight decay regularization" (2019), algorithm 2.
extern "C" __global__ void adam(real* p, const real* g, real* m, real* v, const real* rate, const int* step, int n,
                                double beta1, double beta2, double eps, double decay, double l2)
{
    double t = step[0], eta = rate[0];
    real root = (real)sqrt(1.0 - pow(beta2, t)), size = (real)(eta / (1.0 - pow(beta1, t)));
    real kept = (real)(1.0 - eta * decay), new1 = (real)(1.0 - beta1), old2 = (real)beta2, new2 = (real)(1.0 - beta2);
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        real d = g[i] + (real)l2 * p[i];
        real average = m[i] + new1 * (d - m[i]);
        real square = old2 * v[i] + new2 * d * d;
        m[i] = average;
        v[i] = square;
        p[i] = kept * p[i] - size * average / (sqrt(square) / root + (real)eps);
    }
}

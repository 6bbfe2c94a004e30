// A union in shared memory, and structs with padding that are copied whole.
// launch: k<<<1, 64>>>(x = float32[64]:random, y = float32[64])
union Both { float f[64]; int i[64]; };
struct Padded { char c; double d; };
extern "C" __global__ void k(const float* x, float* y) {
    __shared__ Both s;
    __shared__ Padded p[64];
    __shared__ int biggest;
    int t = threadIdx.x;
    s.f[t] = x[t];
    p[t].c = 'a'; p[t].d = x[t];
    if (t == 0) biggest = 0;
    __syncthreads();
    atomicMax(&biggest, s.i[t]);
    Padded q = p[63 - t];
    __syncthreads();
    y[t] = __int_as_float(biggest) + (float)q.d + q.c;
}

// A maximum of floats by compare and swap.
// launch: maximum<<<4, 64>>>(x = float32[256]:normal, out = float32[1])
__device__ float atomic_max(float* address, float value) {
    int* bits = (int*)address;
    int old = *(volatile int*)bits, seen;
    do {
        seen = old;
        if (__int_as_float(seen) >= value) break;
        old = atomicCAS(bits, seen, __float_as_int(value));
    } while (seen != old);
    return __int_as_float(old);
}
extern "C" __global__ void maximum(const float* x, float* out) {
    atomic_max(out, x[blockIdx.x * blockDim.x + threadIdx.x]);
}

// A sum of doubles by compare and swap, begun with a plain read: the loop of NVIDIA's guide.
// launch: add<<<2, 64>>>(x = float64[1])
__device__ double atomicAddDouble(double* address, double val) {
    unsigned long long int* address_as_ull = (unsigned long long int*)address;
    unsigned long long int old = *address_as_ull, assumed;
    do {
        assumed = old;
        old = atomicCAS(address_as_ull, assumed, __double_as_longlong(val + __longlong_as_double(assumed)));
    } while (assumed != old);
    return __longlong_as_double(old);
}
extern "C" __global__ void add(double* x) { atomicAddDouble(x, 1.5); }

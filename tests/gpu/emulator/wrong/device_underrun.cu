// The cell before the first one of a table belongs to nobody.
// launch: shift<<<1, 64>>>(y = int32[64])
// finds: out of bounds 10
namespace state {
__device__ int a[64];
__device__ int b[64], c[64];
}
extern "C" __global__ void shift(int* y) {
    int i = threadIdx.x;
    y[i] = state::b[i - 1] + state::a[i] + state::c[i];
}

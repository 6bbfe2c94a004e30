// launch: positive<<<1, 32>>>(x = float32[32]:-1)
// finds: assert 5
#include <assert.h>
extern "C" __global__ void positive(float* x) {
    assert(x[threadIdx.x] >= 0);
    x[threadIdx.x] = sqrtf(x[threadIdx.x]);
}

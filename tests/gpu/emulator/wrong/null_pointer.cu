// launch: fill<<<1, 32>>>(x = null)
// finds: out of bounds 4
extern "C" __global__ void fill(float* x) {
    x[threadIdx.x] = 1;
}

// launch: divide<<<1, 32>>>(x = int32[32]:arange, y = int32[32])
// finds: arithmetic 4
extern "C" __global__ void divide(const int* x, int* y) {
    y[threadIdx.x] = 100 / x[threadIdx.x];
}

// launch: left<<<1, 32>>>(x = float32[32]:random, y = float32[32])
// finds: out of bounds 4
extern "C" __global__ void left(const float* x, float* y) {
    y[threadIdx.x] = x[(int)threadIdx.x - 1];
}

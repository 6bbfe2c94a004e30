// The weights are 5, the loop takes 6.
// launch: blur<<<1, 32>>>(x = float32[40]:random, y = float32[32])
// finds: out of bounds 9
__constant__ float before[5] = {1, 2, 3, 4, 5};
__constant__ float weights[5] = {0.1f, 0.2f, 0.4f, 0.2f, 0.1f};
__constant__ float after[5] = {1, 2, 3, 4, 5};
extern "C" __global__ void blur(const float* x, float* y) {
    float sum = before[0] + after[4];
    for (int k = 0; k <= 5; k++) sum += weights[k] * x[threadIdx.x + k];
    y[threadIdx.x] = sum;
}

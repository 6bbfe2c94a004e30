// A whole row too far: into what lies behind, which is another array.
// launch: tile<<<1, 32>>>(y = float32[32])
// finds: out of bounds 10
extern "C" __global__ void tile(float* y) {
    __shared__ float a[16][32], b[16][32];
    for (int r = 0; r < 16; r++) a[r][threadIdx.x] = b[r][threadIdx.x] = r;
    __syncthreads();
    float sum = b[3][threadIdx.x];
    for (int r = 0; r < 20; r++)
        sum += a[r][threadIdx.x];
    y[threadIdx.x] = sum;
}

// Blocks of three dimensions, and arrays of three as parameters.
// launch: k<<<(2, 2, 2), (4, 4, 4)>>>(x = float32[8, 8, 8]:random, y = float32[8, 8, 8])
extern "C" __global__ void k(const float (*x)[8][8], float y[][8][8]) {
    __shared__ float s[4][4][4];
    const dim3 t = threadIdx, b = blockIdx;
    int i = b.z * blockDim.z + t.z, j = b.y * blockDim.y + t.y, k = b.x * blockDim.x + t.x;
    s[t.z][t.y][t.x] = x[i][j][k];
    __syncthreads();
    y[i][j][k] = s[t.x][t.z][t.y];
}

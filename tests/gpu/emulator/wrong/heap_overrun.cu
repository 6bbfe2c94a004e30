// Room for n numbers, and n + 1 are written.
// launch: k<<<1, 32>>>(out = float32[32], n = 5)
// finds: out of bounds 6
extern "C" __global__ void k(float* out, int n) {
    float* mine = (float*)malloc(n * sizeof(float));
    for (int i = 0; i <= n; i++) mine[i] = i;
    out[threadIdx.x] = mine[n - 1];
    free(mine);
}

// Half of the threads return before they give back what they have taken.
// launch: k<<<2, 32>>>(x = int32[64]:arange, out = int32[64])
// finds: leak 6
extern "C" __global__ void k(const int* x, int* out) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int* mine = (int*)malloc(16);
    mine[0] = x[i];
    out[i] = mine[0];
    if (i % 2) return;
    free(mine);
}

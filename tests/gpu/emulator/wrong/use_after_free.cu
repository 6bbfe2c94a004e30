// What is given back is used once more.
// launch: k<<<2, 32>>>(out = int32[64])
// finds: use after free 8
extern "C" __global__ void k(int* out) {
    int* mine = new int(threadIdx.x);
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    delete mine;
    out[i] = *mine;
}

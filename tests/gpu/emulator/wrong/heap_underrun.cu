// Each thread has an array of its own, and begins before it.
// launch: k<<<1, 8>>>(out = int32[8])
// finds: out of bounds 6
extern "C" __global__ void k(int* out) {
    int* mine = new int[4];
    for (int i = 3; i >= -1; i--) mine[i] = i;
    out[threadIdx.x] = mine[0];
    delete[] mine;
}

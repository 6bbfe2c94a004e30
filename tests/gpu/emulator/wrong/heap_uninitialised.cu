// malloc sets nothing to zero.
// launch: k<<<1, 32>>>(out = int32[32])
// finds: uninitialised 7
extern "C" __global__ void k(int* out) {
    int* counts = (int*)malloc(8 * sizeof(int));
    for (int i = 0; i < 4; i++)
        counts[i]++;
    out[threadIdx.x] = counts[3];
    free(counts);
}

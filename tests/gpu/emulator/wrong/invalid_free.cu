// The pointer has moved on since it was taken.
// launch: k<<<1, 1>>>(out = int32[4])
// finds: invalid free 10
extern "C" __global__ void k(int* out) {
    int* begin = (int*)malloc(16);
    for (int* p = begin; p < begin + 4; p++) *p = 1;
    out[0] = begin[3];
    int* p = begin;
    p++;
    free(p);
    free(begin);
}

// launch: histogram<<<2, 64>>>(x = uint8[128]:random, bins = int32[256])
// finds: race 4
extern "C" __global__ void histogram(const unsigned char* x, int* bins) {
    bins[x[blockIdx.x * 64 + threadIdx.x]] += 1;
}

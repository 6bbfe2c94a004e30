// launch: bytes<<<1, 64>>>(x = uint8[64]:random, y = uint8[32])
// finds: race 4
extern "C" __global__ void bytes(const unsigned char* x, unsigned char* y) {
    y[threadIdx.x / 2] = x[threadIdx.x] + threadIdx.x;
}

// Neighbouring bytes are written by different threads: they share a word, not a byte.
// launch: invert<<<2, 100>>>(x = uint8[200]:random, y = uint8[200], z = int16[200])
extern "C" __global__ void invert(const unsigned char* x, unsigned char* y, short* z) {
    __shared__ unsigned char s[100];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    s[threadIdx.x] = 255 - x[i];
    y[i] = s[threadIdx.x];
    __syncthreads();
    z[i] = s[99 - threadIdx.x];
}

// A struct is copied with the bytes between its members, which nobody writes.
// launch: pick<<<1, 32>>>(x = float32[32]:random, y = float32[32], z = int8[32])
struct Item {
    float value;
    char kind;
};
extern "C" __global__ void pick(const float* x, float* y, char* z) {
    __shared__ Item items[32];
    items[threadIdx.x].value = x[threadIdx.x];
    items[threadIdx.x].kind = 'a' + threadIdx.x % 3;
    __syncthreads();
    Item other = items[31 - threadIdx.x];
    y[threadIdx.x] = other.value;
    z[threadIdx.x] = other.kind;
}

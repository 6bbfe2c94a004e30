// launch: mixed<<<1, 64>>>(x = int32[1])
// finds: race 5
extern "C" __global__ void mixed(int* x) {
    atomicAdd(x, 1);
    if (threadIdx.x == 63) x[0] = 0;
}

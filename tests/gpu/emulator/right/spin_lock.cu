// launch: locked<<<4, 32>>>(lock = int32[1], data = int32[3])
extern "C" __global__ void locked(int* lock, int* data) {
    while (atomicCAS(lock, 0, 1) != 0) {
    }
    __threadfence();
    data[0] += 1;
    data[1] = data[0] * 2;
    data[2] += data[1] - data[0];
    __threadfence();
    atomicExch(lock, 0);
}

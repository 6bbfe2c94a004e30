// launch: locked<<<2, 32>>>(lock = int32[1], data = int32[1])
// finds: race 6
extern "C" __global__ void locked(int* lock, int* data) {
    while (atomicCAS(lock, 0, 1) != 0) {
    }
    data[0] += 1;
    atomicExch(lock, 0);
}

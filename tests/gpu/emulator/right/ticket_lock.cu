// A lock that hands out tickets: a volatile word, behind a fence, says whose turn it is, for data that is not volatile.
// launch: locked<<<4, 64>>>(next = uint32[1], serving = uint32[1], data = int32[2])
extern "C" __global__ void locked(unsigned* next, volatile unsigned* serving, int* data) {
    if (threadIdx.x % 32 == 0) {
        unsigned mine = atomicAdd(next, 1u);
        while (*serving != mine) {
        }
        __threadfence();
        data[0] += 1;
        data[1] = data[0] * 3;
        __threadfence();
        *serving = mine + 1;
    }
}

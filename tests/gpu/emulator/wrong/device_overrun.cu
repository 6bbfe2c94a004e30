// A queue in a variable of the module: its last place is written once too often.
// launch: push<<<1, 32>>>(x = int32[32]:1)
// finds: out of bounds 11
__device__ int length = 0, queue[16], other = 5;
__device__ const int capacity = 16;
__device__ const int first[4] = {1, 2, 3, 4};
extern "C" __global__ void push(const int* x) {
    if (x[threadIdx.x] > 0) {
        int place = atomicAdd(&length, first[0]) % 32;
        if (place <= capacity)
            queue[place] = other;
    }
}

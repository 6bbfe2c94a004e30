// Two barriers in one line: one counts, the other one does not.
// launch: count<<<1, 64>>>(x = int32[64]:arange)
// finds: divergent barrier 5
extern "C" __global__ void count(int* x) {
    if (x[threadIdx.x] % 2) x[threadIdx.x] = __syncthreads_count(1); else __syncthreads();
}

// Blocks add to a sum that is no atomic's business, one after the other.
// launch: total<<<6, 32>>>(x = int32[192]:random, sum = int64[2])
// instead of `__threadfence();  // after` write `` finds race at `sum[0] += v;`
// instead of `while (atomicCAS(&lock, 0, 1) != 0) {}` write `if (lock == 0) lock = 1;` finds race at `if (lock == 0) lock = 1;`
// instead of `atomicExch(&lock, 0);` write `` finds timeout at `while (atomicCAS(&lock, 0, 1) != 0) {}`
__device__ int lock = 0;
extern "C" __global__ void total(const int* x, long long* sum) {
    int v = x[blockIdx.x * 32 + threadIdx.x];
    v = __reduce_add_sync(0xffffffff, v);
    if (threadIdx.x != 0) return;
    while (atomicCAS(&lock, 0, 1) != 0) {}
    __threadfence();  // before
    sum[0] += v;
    sum[1] += 1;
    __threadfence();  // after
    atomicExch(&lock, 0);
}

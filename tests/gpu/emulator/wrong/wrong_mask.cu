// launch: vote<<<1, 32>>>(x = int32[32]:random)
// finds: warp mask 4
extern "C" __global__ void vote(int* x) {
    x[threadIdx.x] = __ballot_sync(0x0000ffff, x[threadIdx.x] > 50);
}

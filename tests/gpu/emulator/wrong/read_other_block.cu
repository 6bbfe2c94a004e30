// A value of the neighbouring block is read, though blocks are in no order.
// launch: smooth<<<4, 32>>>(x = float32[128]:random)
// finds: race 8
extern "C" __global__ void smooth(float* x) {
    int i = blockIdx.x * 32 + threadIdx.x;
    float v = i > 0 ? x[i - 1] : 0;
    __syncthreads();
    x[i] = v;
}

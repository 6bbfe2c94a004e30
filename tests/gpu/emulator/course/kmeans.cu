// A step of k-means: the nearest centre of each point, and the sums from which the new centres come.
// launch: assign<<<3, 64>>>(points = float32[150, 2]:random, label = int32[150], sums = float32[4, 2], counts = int32[4], n = 150)
// instead of `if (i >= n) return;  // guard` write `` finds out of bounds at `float2 p = points[i];`
// instead of `k < K; k++) {  // nearest` write `k <= K; k++) {  // nearest` finds out of bounds at `float d =`
// instead of `__syncthreads();  // cleared` write `` finds race at `atomicAdd(&count[best], 1);`
// instead of `atomicAdd(&part[best].x, p.x);` write `part[best].x += p.x;` finds race at `part[best].x += p.x;`
#define K 4
__constant__ float2 centres[K] = {{0.2f, 0.2f}, {0.8f, 0.3f}, {0.4f, 0.7f}, {0.9f, 0.9f}};
__constant__ float2 other[K];
struct Nearest {
    int index;
    float distance;
};
__device__ Nearest nearest(float2 p) {
    Nearest best = {0, 1e30f};
    for (int k = 0; k < K; k++) {  // nearest
        float d = (p.x - centres[k].x) * (p.x - centres[k].x) + (p.y - centres[k].y) * (p.y - centres[k].y);
        if (d < best.distance) best = {k, d};
    }
    return best;
}
extern "C" __global__ void assign(const float2* points, int* label, float2* sums, int* counts, int n) {
    __shared__ float2 part[K];
    __shared__ int count[K];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (threadIdx.x < K) part[threadIdx.x] = make_float2(0, 0), count[threadIdx.x] = 0;
    __syncthreads();  // cleared
    auto add = [&]() {
        if (i >= n) return;  // guard
        float2 p = points[i];
        int best = nearest(p).index;
        label[i] = best;
        atomicAdd(&part[best].x, p.x);
        atomicAdd(&part[best].y, p.y);
        atomicAdd(&count[best], 1);
    };
    add();
    __syncthreads();
    if (threadIdx.x < K) {
        atomicAdd(&sums[threadIdx.x].x, part[threadIdx.x].x);
        atomicAdd(&sums[threadIdx.x].y, part[threadIdx.x].y);
        atomicAdd(&counts[threadIdx.x], count[threadIdx.x]);
    }
}

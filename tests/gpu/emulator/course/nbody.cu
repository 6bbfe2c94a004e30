// Forces between all bodies, a tile of them in shared memory at a time.
// launch: forces<<<2, 32>>>(pos = float32[50, 4]:random, acc = float32[50, 3], n = 50)
// instead of `__syncthreads();  // loaded` write `__syncwarp();` finds nothing
// instead of `__syncthreads();  // loaded` write `` finds race at `float4 q = tile[k];`
// instead of `i < n ? pos[i] : make_float4(0, 0, 0, 0)` write `pos[i]` finds out of bounds at `float4 p =`
// instead of `if (i < n) acc[i] = a;` write `acc[i] = a;` finds out of bounds at `acc[i] = a;`
#define EPS2 0.01f
__device__ float3 interact(float4 p, float4 q, float3 a) {
    float3 r = make_float3(q.x - p.x, q.y - p.y, q.z - p.z);
    float d2 = r.x * r.x + r.y * r.y + r.z * r.z + EPS2;
    float inv = rsqrtf(d2), s = q.w * inv * inv * inv;
    a.x += r.x * s;
    a.y += r.y * s;
    a.z += r.z * s;
    return a;
}
extern "C" __global__ void forces(const float4* pos, float3* acc, int n) {
    __shared__ float4 tile[32];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float4 p = i < n ? pos[i] : make_float4(0, 0, 0, 0);
    float3 a = {0, 0, 0};
    for (int t = 0; t < n; t += 32) {
        int j = t + threadIdx.x;
        tile[threadIdx.x] = j < n ? pos[j] : make_float4(0, 0, 0, 0);
        __syncthreads();  // loaded
        for (int k = 0; k < 32; ++k) {
            float4 q = tile[k];
            a = interact(p, q, a);
        }
        __syncthreads();
    }
    if (i < n) acc[i] = a;
}

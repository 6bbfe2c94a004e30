// launch: matmul<<<(3, 3), (16, 16)>>>(A = float32[40, 33]:random, B = float32[33, 45]:random, C = float32[40, 45], M = 40, N = 45, K = 33)
#define TILE 16
extern "C" __global__ void matmul(const float* A, const float* B, float* C, int M, int N, int K) {
    __shared__ float As[TILE][TILE], Bs[TILE][TILE];
    int r = blockIdx.y * TILE + threadIdx.y, c = blockIdx.x * TILE + threadIdx.x;
    float sum = 0.0f;
    for (int t = 0; t < (K + TILE - 1) / TILE; t++) {
        int ak = t * TILE + threadIdx.x, bk = t * TILE + threadIdx.y;
        As[threadIdx.y][threadIdx.x] = r < M && ak < K ? A[r * K + ak] : 0.0f;
        Bs[threadIdx.y][threadIdx.x] = bk < K && c < N ? B[bk * N + c] : 0.0f;
        __syncthreads();
#pragma unroll
        for (int k = 0; k < TILE; k++) sum += As[threadIdx.y][k] * Bs[k][threadIdx.x];
        __syncthreads();
    }
    if (r < M && c < N) C[r * N + c] = sum;
}

// C = A B by tiles, with edges that fit no tile.
// launch: matmul<<<(3, 2), (8, 8)>>>(A = float32[13, 11]:random, B = float32[11, 18]:random, C = float32[13, 18], M = 13, N = 18, K = 11)
// instead of `__syncthreads();  // loaded` write `` finds race at `sum +=`
// instead of `__syncthreads();  // used` write `` finds race at `As[ty][tx] =`
// instead of `if (row < M && col < N)` write `if (row < M)` finds out of bounds at `C[row * N + col] =`
// instead of `k < T; k++)` write `k <= T; k++)` finds out of bounds at `sum +=`
#define T 8
extern "C" __global__ void matmul(const float* A, const float* B, float* C, int M, int N, int K) {
    __shared__ float As[T][T];
    __shared__ float Bs[T][T];
    int tx = threadIdx.x, ty = threadIdx.y;
    int row = blockIdx.y * T + ty, col = blockIdx.x * T + tx;
    float sum = 0.0f;
    for (int tile = 0; tile < (K + T - 1) / T; ++tile) {
        int a = tile * T + tx, b = tile * T + ty;
        As[ty][tx] = (row < M && a < K) ? A[row * K + a] : 0.0f;
        Bs[ty][tx] = (b < K && col < N) ? B[b * N + col] : 0.0f;
        __syncthreads();  // loaded
#pragma unroll
        for (int k = 0; k < T; k++)
            sum += As[ty][k] * Bs[k][tx];
        __syncthreads();  // used
    }
    if (row < M && col < N)
        C[row * N + col] = sum;
}

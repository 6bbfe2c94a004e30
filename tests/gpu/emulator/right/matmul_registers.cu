// Each thread computes 4 x 4 elements; loads are vectorised.
// launch: sgemm<<<(1, 1), 64>>>(A = float32[32, 16]:random, B = float32[16, 32]:random, C = float32[32, 32], M = 32, N = 32, K = 16)
#define BM 32
#define BN 32
#define BK 8
#define TM 4
#define TN 4
extern "C" __global__ void __launch_bounds__(64) sgemm(const float* __restrict__ A, const float* __restrict__ B, float* C, int M,
                                                       int N, int K) {
    __shared__ float As[BK * BM];
    __shared__ float Bs[BK * BN];
    const int tc = threadIdx.x % (BN / TN), tr = threadIdx.x / (BN / TN);
    A += blockIdx.y * BM * K;
    B += blockIdx.x * BN;
    C += blockIdx.y * BM * N + blockIdx.x * BN;
    float acc[TM * TN] = {0.0f}, rm[TM], rn[TN];
    const int ra = threadIdx.x / (BK / 4), ca = threadIdx.x % (BK / 4), rb = threadIdx.x / (BN / 4), cb = threadIdx.x % (BN / 4);
    for (int k0 = 0; k0 < K; k0 += BK) {
        float4 v = reinterpret_cast<const float4*>(&A[ra * K + ca * 4])[0];
        As[(ca * 4 + 0) * BM + ra] = v.x;
        As[(ca * 4 + 1) * BM + ra] = v.y;
        As[(ca * 4 + 2) * BM + ra] = v.z;
        As[(ca * 4 + 3) * BM + ra] = v.w;
        reinterpret_cast<float4*>(&Bs[rb * BN + cb * 4])[0] = reinterpret_cast<const float4*>(&B[rb * N + cb * 4])[0];
        __syncthreads();
        A += BK;
        B += BK * N;
        for (int k = 0; k < BK; k++) {
            for (int i = 0; i < TM; i++) rm[i] = As[k * BM + tr * TM + i];
            for (int j = 0; j < TN; j++) rn[j] = Bs[k * BN + tc * TN + j];
            for (int i = 0; i < TM; i++)
                for (int j = 0; j < TN; j++) acc[i * TN + j] += rm[i] * rn[j];
        }
        __syncthreads();
    }
    for (int i = 0; i < TM; i++)
        for (int j = 0; j < TN; j += 4) {
            float4 v = make_float4(acc[i * TN + j], acc[i * TN + j + 1], acc[i * TN + j + 2], acc[i * TN + j + 3]);
            reinterpret_cast<float4*>(&C[(tr * TM + i) * N + tc * TN + j])[0] = v;
        }
}

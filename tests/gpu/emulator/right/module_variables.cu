// Variables of every sort outside functions, each used up to its last element.
// launch: k<<<2, 32>>>(y = float32[64])
struct Settings { int n; float scale; };
__constant__ Settings settings = {3, 0.5f};
__constant__ float weights[] = {1, 2,
                                3, 4};
static __device__ const int dx[4] = {1, 0, -1, 0}, dy[4] = {0, 1, 0, -1};
__device__ const char* const names[2] = {"a", "b"};
__device__ volatile int flag, table[2][3] = {{1, 2, 3}, {4, 5, 6}};
constexpr __device__ int side = 4;
__device__ const float half_of = 0.5f;
__device__ unsigned long long total{0};
__device__ __align__(16) float4 vector;
typedef float (*function)(float);
__device__ float twice(float x) { return 2 * x; }
__device__ function chosen = twice;
__device__ function choices[2] = {twice, twice};
__device__ float (*spelled)(float) = twice;
template <class T> __device__ T zero = T(0);
extern "C" __global__ void k(float* y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float sum = settings.n + settings.scale + weights[3] + dx[3] + dy[3] + (names[1][0] == 'b') + table[1][2] + flag;
    sum += chosen(half_of) + choices[1](side) + spelled(vector.w) + zero<float>;
    atomicAdd(&total, 1ull);
    y[i] = sum;
}

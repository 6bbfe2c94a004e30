"""Kernels on the emulator against NumPy."""

import numpy as np
import pytest

from teachgrad_gpu import emulator
from teachgrad_gpu.emulator import RawKernel, building

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")

ADD = """
template <typename T> __global__ void add(const T* __restrict__ a, const T* __restrict__ b, T* c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = __ldg(a + i) + b[i];
}"""
MATMUL = """
#define TILE 16
extern "C" __global__ void matmul(const float* __restrict__ A, const float* __restrict__ B, float* C,
                                  int M, int N, int K) {
    __shared__ float As[TILE][TILE], Bs[TILE][TILE];
    int ty = threadIdx.y, tx = threadIdx.x, r = blockIdx.y * TILE + ty, c = blockIdx.x * TILE + tx;
    float sum = 0.f;
    for (int k0 = 0; k0 < K; k0 += TILE) {
        As[ty][tx] = (r < M && k0 + tx < K) ? A[r * K + k0 + tx] : 0.f;
        Bs[ty][tx] = (k0 + ty < K && c < N) ? B[(k0 + ty) * N + c] : 0.f;
        __syncthreads();
        #pragma unroll
        for (int k = 0; k < TILE; k++) sum += As[ty][k] * Bs[k][tx];
        __syncthreads();
    }
    if (r < M && c < N) C[r * N + c] = sum;
}"""
BLOCK_SUM = """
__device__ __forceinline__ float warp_sum(float v) {
    for (int o = 16; o > 0; o >>= 1) v += __shfl_down_sync(0xffffffff, v, o);
    return v;
}
extern "C" __global__ void __launch_bounds__(256) block_sum(const float* x, float* out, int n) {
    __shared__ float part[32];
    float s = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) s += x[i];
    s = warp_sum(s);
    int lane = threadIdx.x & 31, w = threadIdx.x >> 5;
    if (lane == 0) part[w] = s;
    __syncthreads();
    if (w == 0) {
        s = lane < (blockDim.x >> 5) ? part[lane] : 0.f;
        s = warp_sum(s);
        if (lane == 0) atomicAdd(out, s);
    }
}"""


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("make", [np.zeros, emulator.zeros])
def test_a_template_adds(dtype, make):
    name = {np.float32: "float", np.float64: "double", np.int32: "int"}[dtype]
    a, b, c = (make(1000, dtype) for _ in range(3))
    a[...], b[...] = np.arange(1000), np.arange(1000)[::-1]
    RawKernel(ADD, f"add<{name}>")((4,), (256,), (a, b, c, np.int32(1000)))
    np.testing.assert_array_equal(c, a + b)


@pytest.mark.parametrize("seed", [None, 7])
def test_a_tiled_product_of_matrices_with_ragged_edges(seed):
    rng = np.random.default_rng(0)
    a, b, c = rng.random((70, 33), np.float32), rng.random((33, 50), np.float32), np.zeros((70, 50), np.float32)
    RawKernel(MATMUL, "matmul", seed=seed)((4, 5), (16, 16), (a, b, c, 70, 50, 33))
    np.testing.assert_allclose(c, a @ b, rtol=1e-5)


@pytest.mark.parametrize("seed", [None, 7])
def test_a_sum_with_shuffles_and_an_atomic(seed):
    x, out = np.random.default_rng(0).random(10_000, np.float32), np.zeros(1, np.float32)
    RawKernel(BLOCK_SUM, "block_sum", seed=seed)((8,), (256,), (x, out, 10_000))
    np.testing.assert_allclose(out[0], x.sum(dtype=np.float64), rtol=1e-5)

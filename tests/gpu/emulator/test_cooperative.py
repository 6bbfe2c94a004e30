"""Cooperative launches: all blocks are there at once, and meet."""

import numpy as np
import pytest

from teachgrad_gpu.emulator import ArgumentError, LaunchError, RawKernel, building

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")

POWER = r"""
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
template <int Threads> __device__ float block_sum(float v) {
    __shared__ float s[Threads];
    s[threadIdx.x] = v;
    __syncthreads();
    for (int k = Threads / 2; k > 0; k /= 2) {
        if (threadIdx.x < k) s[threadIdx.x] += s[threadIdx.x + k];
        __syncthreads();
    }
    float sum = s[0];
    __syncthreads();
    return sum;
}
// The power method: a row of the matrix for each block, all of them step by step.
extern "C" __global__ void power(const float* a, float* x, float* y, float* norm, int steps) {
    extern __shared__ float row[];
    cg::grid_group grid = cg::this_grid();
    int n = gridDim.x, t = threadIdx.x;
    for (int i = t; i < n; i += blockDim.x) row[i] = a[blockIdx.x * n + i];
    __syncthreads();
    for (int step = 0; step < steps; step++) {
        float v = 0;
        for (int i = t; i < n; i += blockDim.x) v += row[i] * x[i];
        v = block_sum<32>(v);
        if (t == 0) y[blockIdx.x] = v, atomicAdd(&norm[step], v * v);
        grid.sync();
        if (t == 0) x[blockIdx.x] = y[blockIdx.x] / sqrtf(norm[step]);
        grid.sync();
    }
}"""


@pytest.mark.parametrize("settings", [{}, {"seed": 4}, {"check": True}, {"check": True, "seed": 5}])
def test_the_power_method_finds_the_largest_eigenvalue(settings):
    n, steps = 24, 30
    rng = np.random.default_rng(0)
    a = rng.random((n, n), np.float32)
    a = a + a.T
    x, y, norm = np.ones(n, np.float32), np.zeros(n, np.float32), np.zeros(steps, np.float32)
    kernel = RawKernel(POWER, "power", enable_cooperative_groups=True, **settings)
    kernel((n,), (32,), (a, x, y, norm, steps), shared_mem=4 * n)
    np.testing.assert_allclose(np.sqrt(norm[-1]), np.linalg.eigvalsh(a)[-1], rtol=1e-5)
    assert not settings.get("check") or not kernel.findings


def test_blocks_that_wait_for_each_other_take_turns():
    source = """extern "C" __global__ void k(volatile int* turn, int* order, int rounds) {
        for (int r = 0; r < rounds; r++) {
            int mine = r * gridDim.x + gridDim.x - 1 - blockIdx.x;
            while (*turn != mine) {}
            __threadfence();
            order[mine] = blockIdx.x;
            __threadfence();
            *turn = mine + 1;
        }
    }"""
    for settings in ({}, {"check": True}):
        kernel = RawKernel(source, "k", enable_cooperative_groups=True, timeout=20, **settings)
        turn, order = np.zeros(1, np.int32), np.zeros(15, np.int32)
        kernel((5,), (1,), (turn, order, 3))
        assert order.tolist() == [4, 3, 2, 1, 0] * 3
    assert not kernel.findings


def test_a_grid_in_three_dimensions_knows_its_ranks():
    source = """
    #include <cooperative_groups.h>
    extern "C" __global__ void k(int* o) {
        auto grid = cooperative_groups::this_grid();
        o[grid.thread_rank()] = grid.size() * 1000 + grid.block_rank() * 10 + (grid.group_dim().y == 3) + blockIdx.y;
        cooperative_groups::sync(grid);
        if (grid.thread_rank() == 0) o[0] += grid.num_blocks() + blockIdx.z;
    }"""
    o = np.zeros(96, np.int32)
    RawKernel(source, "k", enable_cooperative_groups=True)((2, 3, 2), (4, 2), (o,))
    block = np.arange(96) // 8
    expected = 96000 + block * 10 + 1 + block // 2 % 3
    expected[0] += 12
    assert o.tolist() == expected.tolist()


def test_what_is_wrong_with_a_launch_is_said_and_the_next_one_runs():
    kernel = RawKernel(POWER, "power", enable_cooperative_groups=True)
    arrays = [np.zeros(16, np.float32) for _ in range(4)]
    with pytest.raises(ArgumentError, match=r"16384 at most here; grid \(1000, 1, 1\) of .* has 32000"):
        kernel((1000,), (32,), (*arrays, 1))
    with pytest.raises(LaunchError, match="enable_cooperative_groups=True"):
        RawKernel(POWER, "power")((2,), (32,), (*arrays, 1), shared_mem=64)
    source = """#include <cooperative_groups.h>
    extern "C" __global__ void k(int* x) {
        __shared__ int s[32];
        s[threadIdx.x] = 1;
        if (blockIdx.x == 2) x[1l << 38] = 1;
        cooperative_groups::this_grid().sync();
        x[threadIdx.x] = s[31 - threadIdx.x];
    }"""
    x = np.zeros(32, np.int32)
    with pytest.raises(LaunchError, match="illegal address"):
        RawKernel(source, "k", enable_cooperative_groups=True)((4,), (32,), (x,))
    RawKernel(source, "k", enable_cooperative_groups=True)((2,), (32,), (x,))
    assert x.tolist() == [1] * 32

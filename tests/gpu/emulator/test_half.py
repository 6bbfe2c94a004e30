"""Numbers of 16 bits: every operation rounds once, to nearest even, as NumPy and PyTorch do."""

from fractions import Fraction

import numpy as np
import pytest

from teachgrad_gpu.emulator import RawKernel, building

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")

HALF = r"""
#include <cuda_fp16.h>
extern "C" __global__ void k(const half* a, const half* b, const half* c, half* o, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    o[i] = a[i] + b[i];
    o[n + i] = a[i] * b[i];
    o[2 * n + i] = a[i] - b[i];
    o[3 * n + i] = a[i] / b[i];
    o[4 * n + i] = __hfma(a[i], b[i], c[i]);
    o[5 * n + i] = hsqrt(__habs(a[i]));
    o[6 * n + i] = __float2half(__half2float(a[i]));
    half2 v = __halves2half2(a[i], b[i]);
    v = __hadd2(v, v);
    v += v;
    o[7 * n + i] = v.y;
    o[8 * n + i] = hexp(a[i]);
    o[9 * n + i] = a[i] < b[i] ? half(1.0f) : half(0);
    o[10 * n + i] = -a[i];
    o[11 * n + i] = __hmax(a[i], b[i]);
}"""


@pytest.fixture(scope="module")
def halves():
    """All 65536 numbers, beside two permutations of them, and what the kernel makes of them."""
    n, rng = 1 << 16, np.random.default_rng(0)
    orders = np.arange(n), rng.permutation(n), rng.permutation(n)
    a, b, c = (order.astype(np.uint16).view(np.float16) for order in orders)
    o = np.zeros((12, n), np.float16)
    RawKernel(HALF, "k")((n // 256,), (256,), (a, b, c, o, n))
    return a, b, c, o


def test_every_half_against_numpy(halves):
    a, b, _, o = halves
    with np.errstate(all="ignore"):
        expected = {0: a + b, 1: a * b, 2: a - b, 3: a / b, 5: np.sqrt(abs(a)), 6: a, 7: (b + b) * np.float16(2),
                    8: np.exp(a.astype(np.float64)).astype(np.float16), 9: (a < b).astype(np.float16), 10: -a,
                    11: np.fmax(a, b)}  # fmt: skip
    for row, right in expected.items():
        np.testing.assert_array_equal(o[row], right, err_msg=f"row {row}")


def test_a_fused_half_is_the_nearest_to_the_exact_sum(halves):
    a, b, c, o = halves
    finite = np.flatnonzero(np.isfinite(a) & np.isfinite(b) & np.isfinite(c) & np.isfinite(o[4]))[::37]
    for i in finite:
        exact = Fraction(float(a[i])) * Fraction(float(b[i])) + Fraction(float(c[i]))
        miss = abs(Fraction(float(o[4, i])) - exact)
        for other in (np.nextafter(o[4, i], np.float16(np.inf)), np.nextafter(o[4, i], np.float16(-np.inf))):
            assert not np.isfinite(other) or miss <= abs(Fraction(float(other)) - exact)


def test_infinities_and_what_is_no_number(halves):
    a, _, _, o = halves
    assert np.isnan(o[6][np.isnan(a)]).all()
    assert np.isinf(o[8][a > 12]).all()


@pytest.mark.oracles("torch")
def test_bfloat16_against_torch():
    import torch

    source = r"""
    #include <cuda_bf16.h>
    extern "C" __global__ void k(const float* a, const float* b, float* o, int n) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= n) return;
        __nv_bfloat16 x = __float2bfloat16(a[i]), y = __float2bfloat16(b[i]);
        o[i] = __bfloat162float(x * y + x);
        o[n + i] = float(x / y - y);
    }"""
    rng = np.random.default_rng(0)
    a, b = ((rng.standard_normal(4096) * 10.0 ** rng.integers(-30, 30, 4096)).astype(np.float32) for _ in range(2))
    o = np.zeros((2, 4096), np.float32)
    RawKernel(source, "k")((16,), (256,), (a, b, o, 4096))
    x, y = torch.tensor(a).bfloat16(), torch.tensor(b).bfloat16()
    np.testing.assert_array_equal(o[0], (x * y + x).float().numpy())
    np.testing.assert_array_equal(o[1], (x / y - y).float().numpy())


DIRECTED = r"""
#include <cuda_fp16.h>
extern "C" __global__ void k(const float* x, __half* o, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    o[i] = __float2half_rz(x[i]);
    o[n + i] = __float2half_ru(x[i]);
    o[2 * n + i] = __float2half_rd(x[i]);
}"""


def test_roundings_of_a_direction_find_the_neighbours():
    """All finite halves, and numbers a little off them: the neighbours that NumPy finds."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].astype(np.float32)
    x = np.concatenate([halves, np.nextafter(halves, np.float32(np.inf)), np.nextafter(halves, np.float32(-np.inf)),
                        [1e30, -1e30]]).astype(np.float32)  # fmt: skip
    x = np.concatenate([x, np.zeros(-len(x) % 128, np.float32)])
    o = np.zeros((3, len(x)), np.float16)
    RawKernel(DIRECTED, "k")((len(x) // 128,), (128,), (x, o, len(x)))
    with np.errstate(over="ignore"):
        near = x.astype(np.float16)
        up = np.where(near.astype(np.float32) < x, np.nextafter(near, np.float16(np.inf)), near)
        down = np.where(near.astype(np.float32) > x, np.nextafter(near, np.float16(-np.inf)), near)
    np.testing.assert_array_equal(o, [np.where(x > 0, down, up), up, down])

"""Mathematics in kernels: what CUDA has and C++ has not, against NumPy and SciPy."""

import numpy as np
import pytest

from teachgrad_gpu.emulator import RawKernel, building

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")


MATH = r"""
extern "C" __global__ void k(const float* x, float* o, int n) {
    int i = threadIdx.x;
    float v = x[i], s, c;
    o[i] = __expf(v);
    o[n + i] = rsqrtf(v);
    o[2 * n + i] = __fdividef(1.f, v);
    o[3 * n + i] = fmaf(v, v, 1.f);
    o[4 * n + i] = __float2int_rn(10 * v);
    o[5 * n + i] = erff(v) + tanhf(v);
    o[6 * n + i] = fmaxf(v, 2.f) + fminf(v, 1.f) + max(1, 2) + min(v, 1.f) + abs(-2) + fabsf(v) + powf(v, 2.f);
    o[7 * n + i] = isnan(v) || isinf(v) || !isfinite(v) || signbit(-v) == 0;
    sincosf(v, &s, &c);
    o[8 * n + i] = s * s + c * c;
    o[9 * n + i] = __popc(i) + 100 * __clz(i) + 10000 * __ffs(i);
    o[10 * n + i] = __brev(i) >> 20;
    o[11 * n + i] = __umulhi(i * 0x10000000u, 64u) + __byte_perm(0x01020304, 0x05060708, 0x0007);
    o[12 * n + i] = __saturatef(v - 1) + exp10f(v) + log2f(v) + cbrtf(v) + __float2uint_rz(v);
}"""


@pytest.mark.oracles("scipy")
def test_mathematics_and_bits():
    from scipy.special import erf

    x, o = np.random.default_rng(0).random(64, np.float32) * 3 + np.float32(0.1), np.zeros((13, 64), np.float32)
    RawKernel(MATH, "k")((1,), (64,), (x, o, 64))
    expected = [np.exp(x), 1 / np.sqrt(x), 1 / x, x * x + 1, np.rint(10 * x), erf(x) + np.tanh(x),
                np.maximum(x, 2) + 2 * np.minimum(x, 1) + 4 + x + x * x, 0 * x, 0 * x + 1]  # fmt: skip
    for row, right in zip(o, expected, strict=False):
        np.testing.assert_allclose(row, right, rtol=1e-6)
    bits = [k.bit_count() + 100 * (32 - k.bit_length()) + 10000 * (k & -k).bit_length() for k in range(64)]
    assert o[9].tolist() == bits
    assert o[10].tolist() == [int(f"{k:032b}"[::-1], 2) >> 20 for k in range(64)]
    assert o[11].tolist() == [float(np.float32(((k << 28) % 2**32 * 64 >> 32) + 0x04040405)) for k in range(64)]
    np.testing.assert_allclose(o[12], np.clip(x - 1, 0, 1) + 10.0**x + np.log2(x) + np.cbrt(x) + np.trunc(x), rtol=1e-6)


SPECIAL = r"""
extern "C" __global__ void k(const double* x, double* o, float* f, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    double v = x[i], s, c;
    o[i] = erfinv(v);
    o[n + i] = erfcinv(1 + v);
    o[2 * n + i] = normcdfinv(0.5 + v / 2);
    o[3 * n + i] = erfcx(20 * v);
    sincospi(v, &s, &c);
    o[4 * n + i] = s * s - c * c + rcbrt(v) + norm4d(v, 1, 2, 3);
    f[i] = erfinvf((float)v);
}"""


@pytest.mark.oracles("scipy")
def test_rarer_mathematics():
    from scipy import special

    tails = 1 - np.logspace(-12, -1, 500)
    x = np.concatenate([np.linspace(-0.999, 0.999, 400), tails, -tails, [1e-300, -1e-9, 0.5, -0.5]])
    x = np.concatenate([x, np.full(-len(x) % 128, 0.25)])
    o, f = np.zeros((5, len(x))), np.zeros(len(x), np.float32)
    RawKernel(SPECIAL, "k")((len(x) // 128,), (128,), (x, o, f, len(x)))
    with np.errstate(over="ignore"):
        expected = [special.erfinv(x), special.erfcinv(1 + x), special.ndtri(0.5 + x / 2), special.erfcx(20 * x),
                    np.sin(np.pi * x) ** 2 - np.cos(np.pi * x) ** 2 + 1 / np.cbrt(x) + np.sqrt(x * x + 14)]  # fmt: skip
    for row, right in zip(o, expected, strict=True):
        np.testing.assert_allclose(row, right, rtol=2e-12, atol=1e-15)
    np.testing.assert_allclose(f, special.erfinv(x.astype(np.float32).astype(float)), rtol=1e-6)

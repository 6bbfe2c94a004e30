"""Later parts of CUDA C++: libcu++'s atomics and pipelines, bytes of a word at once, pairs of halves, against NumPy."""

import numpy as np
import pytest

from teachgrad_gpu.emulator import RawKernel, building

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")


def floats(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


ATOMIC_REF = r"""
#include <cuda/atomic>
extern "C" __global__ void k(int* x, unsigned* u, float* f, int* flag, int* data, int* out) {
    __shared__ cuda::atomic<int, cuda::thread_scope_block> shared;
    if (threadIdx.x == 0) shared.store(5, cuda::memory_order_relaxed);
    __syncthreads();
    cuda::atomic_ref<int> total(x[0]);
    total.fetch_add(threadIdx.x, cuda::memory_order_relaxed);
    cuda::atomic_ref<int, cuda::thread_scope_device>(x[1]).fetch_max(threadIdx.x);
    cuda::atomic_ref<unsigned, cuda::thread_scope_device> bits(u[0]);
    bits.fetch_or(1u << threadIdx.x % 32);
    shared++;
    cuda::atomic_ref<float, cuda::thread_scope_device> sum(f[0]);
    float old = sum.load();
    while (!sum.compare_exchange_weak(old, old + 0.5f, cuda::std::memory_order_relaxed)) {}
    cuda::atomic_ref<int, cuda::thread_scope_device> ready(flag[0]);
    if (threadIdx.x == 3) {
        data[0] = 42;
        ready.store(1, cuda::memory_order_release);
    }
    if (threadIdx.x == 50) {
        while (ready.load(cuda::memory_order_acquire) == 0) {}
        out[0] = data[0];
    }
    __syncthreads();
    if (threadIdx.x == 0) out[1] = shared.load();
}"""


@pytest.mark.parametrize("check", [False, True])
def test_atomic_references(check):
    x, u, f, flag, data, out = (np.zeros(2, dtype) for dtype in ("i4", "u4", "f4", "i4", "i4", "i4"))
    kernel = RawKernel(ATOMIC_REF, "k", check=check)
    kernel((1,), (64,), (x, u, f, flag, data, out))
    assert (x.tolist(), u[0], f[0], out.tolist()) == ([2016, 63], 2**32 - 1, 32, [42, 69])
    if check:
        assert not kernel.findings, kernel.report()
        relaxed = ATOMIC_REF.replace("memory_order_release", "memory_order_relaxed")
        kernel = RawKernel(relaxed, "k", check=True)
        kernel((1,), (64,), (x, u, f, np.zeros(2, np.int32), data, out))
        assert {(finding.kind, finding.line) for finding in kernel.findings} == {("race", 23)}


PIPELINE = r"""
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cuda/pipeline>
namespace cg = cooperative_groups;
extern "C" __global__ void k(const float* x, float* o) {
    __shared__ float s[2][64], t[64];
    auto block = cg::this_thread_block();
    cg::memcpy_async(block, t, x, sizeof(t));
    cuda::pipeline<cuda::thread_scope_thread> pipe = cuda::make_pipeline();
    for (int k = 0; k < 2; k++) {
        pipe.producer_acquire();
        cuda::memcpy_async(&s[k][threadIdx.x], x + 64 * k + threadIdx.x, sizeof(float), pipe);
        pipe.producer_commit();
    }
    float sum = 0;
    for (int k = 0; k < 2; k++) {
        pipe.consumer_wait();
        sum += s[k][threadIdx.x];
        pipe.consumer_release();
    }
    cg::wait(block);
    o[threadIdx.x] = sum + t[63 - threadIdx.x];
}"""


@pytest.mark.parametrize("check", [False, True])
def test_copies_in_the_background(check):
    x, o = floats(128), np.zeros(64, np.float32)
    kernel = RawKernel(PIPELINE, "k", check=check)
    kernel((1,), (64,), (x, o))
    np.testing.assert_allclose(o, x[:64] + x[64:] + x[63::-1], rtol=1e-6)
    if check:
        assert not kernel.findings, kernel.report()
        kernel = RawKernel(PIPELINE.replace("pipe.consumer_wait();", ""), "k", check=True)
        kernel((1,), (64,), (x, o))
        assert {(f.kind, f.line, f.other_line) for f in kernel.findings} == {("unfinished copy", 19, 13)}


PAIRWISE = ("add", "sub", "addss", "addus", "subss", "subus", "maxs", "maxu", "mins", "minu", "absdiffs", "absdiffu",
            "avgu", "haddu", "cmpeq", "cmpne", "cmpgts", "cmpgtu", "cmpges", "cmpgeu", "cmplts", "cmpleu", "seteq",
            "setgts", "setltu", "setleu", "sads", "sadu")  # fmt: skip


def lanes(words, width, signed):
    return words.view(np.dtype(f"{'i' if signed else 'u'}{width}")).reshape(len(words), -1).astype(np.int64)


def word_by_word(name, a, b, width):
    """What an operation on the lanes of words gives, in NumPy."""
    signed = name.endswith("s") and not name.endswith("us")
    x, y = lanes(a, width, signed), lanes(b, width, signed)
    bits = 8 * width
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if name in ("sads", "sadu"):
        return np.abs(x - y).sum(1).astype(np.uint32)
    if name[:3] in ("cmp", "set"):
        compare = {"eq": np.equal, "ne": np.not_equal, "gt": np.greater, "ge": np.greater_equal, "lt": np.less,
                   "le": np.less_equal}[name[3:5]]  # fmt: skip
        result = compare(x, y) * (-1 if name.startswith("cmp") else 1)
    else:
        result = {"add": x + y, "sub": x - y, "addss": x + y, "addus": x + y, "subss": x - y, "subus": x - y,
                  "max": np.maximum(x, y), "min": np.minimum(x, y), "absdiff": np.abs(x - y), "avgu": (x + y + 1) // 2,
                  "haddu": (x + y) // 2}[name if name in (*PAIRWISE[:6], "avgu", "haddu") else name[:-1]]  # fmt: skip
        if name in PAIRWISE[2:6]:
            result = np.clip(result, low, high)
    return (result % (1 << bits)).astype(f"u{width}").view(np.uint32).ravel()


def test_halves_and_bytes_of_words_at_once():
    calls = [f"o[{2 * k + (width == 1)} * n + i] = __v{name}{4 // width}(a[i], b[i]);"
             for k, name in enumerate(PAIRWISE) for width in (2, 1)]  # fmt: skip
    more = ["(unsigned)__dp4a((int)a[i], (int)b[i], -5)", "__dp4a(a[i], b[i], 7u)",
            "(unsigned)__dp2a_lo((int)a[i], (int)b[i], 1)", "__dp2a_hi(a[i], b[i], 2u)", "__vneg4(a[i])",
            "__vabsss2(a[i])"]  # fmt: skip
    calls += [f"o[{2 * len(PAIRWISE) + k} * n + i] = {call};" for k, call in enumerate(more)]
    source = ('extern "C" __global__ void k(const unsigned* a, const unsigned* b, unsigned* o, int n) {\n'
              "int i = threadIdx.x;\n" + "\n".join(calls) + "\n}")  # fmt: skip
    rng, n = np.random.default_rng(0), 256
    a, b = (rng.integers(0, 2**32, n, dtype=np.uint32) for _ in range(2))
    a[:8], b[:4] = [0x80808080, 0x7F7F7F7F, 0x80008000, 0, 0xFFFFFFFF, 0x80007FFF, 1, 0x7FFF7FFF], a[4:8]
    o = np.zeros((2 * len(PAIRWISE) + len(more), n), np.uint32)
    RawKernel(source, "k")((1,), (n,), (a, b, o, n))
    for k, name in enumerate(PAIRWISE):
        np.testing.assert_array_equal(o[2 * k], word_by_word(name, a, b, 2), name)
        np.testing.assert_array_equal(o[2 * k + 1], word_by_word(name, a, b, 1), name)
    s8, u8, s16, u16 = (lambda w, t=t, g=g: lanes(w, t, g) for t, g in ((1, True), (1, False), (2, True), (2, False)))
    expected = [(s8(a) * s8(b)).sum(1) - 5, (u8(a) * u8(b)).sum(1) + 7, (s16(a) * s8(b)[:, :2]).sum(1) + 1,
                (u16(a) * u8(b)[:, 2:]).sum(1) + 2]  # fmt: skip
    for row, right in zip(o[2 * len(PAIRWISE):], expected, strict=False):
        np.testing.assert_array_equal(row, (right % 2**32).astype(np.uint32))
    np.testing.assert_array_equal(lanes(o[-2], 1, False), -s8(a) % 256)
    np.testing.assert_array_equal(lanes(o[-1], 2, True), np.minimum(np.abs(s16(a)), 32767))


PAIRS = r"""
#include <cuda_fp16.h>
extern "C" __global__ void k(const half2* a, const half2* b, half2* o, unsigned* m, int n) {
    int i = threadIdx.x;
    o[i] = __hadd2_sat(a[i], b[i]);
    o[n + i] = __hsub2_sat(a[i], b[i]);
    o[2 * n + i] = __hfma2_relu(a[i], b[i], a[i]);
    o[3 * n + i] = __hmax2_nan(a[i], b[i]);
    o[4 * n + i] = __hmul2_rn(a[i], b[i]);
    o[5 * n + i] = __hisnan2(a[i]);
    m[i] = __hlt2_mask(a[i], b[i]) + __hbgeu2(a[i], b[i]);
}"""


def test_pairs_of_halves():
    rng, n = np.random.default_rng(0), 128
    a, b = (rng.standard_normal((n, 2)).astype(np.float16) for _ in range(2))
    a[5, 1] = np.nan
    o, m = np.zeros((6, n, 2), np.float16), np.zeros(n, np.uint32)
    RawKernel(PAIRS, "k")((1,), (n,), (a, b, o, m, n))
    x, y = a.astype(float), b.astype(float)
    expected = [np.clip(np.nan_to_num(x + y), 0, 1), np.clip(np.nan_to_num(x - y), 0, 1),
                np.maximum(np.nan_to_num(x * y + x), 0), np.maximum(x, y), x * y, np.isnan(x)]  # fmt: skip
    for row, right in zip(o, expected, strict=True):
        np.testing.assert_array_equal(row, right.astype(np.float16))
    both = (~(x < y)).all(1)
    np.testing.assert_array_equal(m, (x < y) @ [0xFFFF, 0xFFFF0000] + both)

"""Each part of CUDA C++ that the emulator has, against NumPy."""

import numpy as np
import pytest

from teachgrad_gpu import emulator
from teachgrad_gpu.emulator import RawKernel, RawModule, building

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")


def floats(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


ATOMICS = r"""
#include <cuda_fp16.h>
extern "C" __global__ void k(int* i, unsigned* u, float* f, double* d, unsigned long long* l, half* h) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(i, t);
    atomicSub(i + 1, 1);
    atomicMin(i + 2, -t);
    atomicMax(i + 3, t);
    atomicExch(i + 4, 7);
    atomicCAS(i + 5, 0, 9);
    atomicAnd(i + 6, ~(1 << (t & 7)));
    atomicOr(i + 7, 1 << (t & 7));
    atomicXor(i + 8, t);
    atomicInc(u, 10u);
    atomicDec(u + 1, 10u);
    atomicAdd(f, 0.5f);
    atomicAdd(d, 0.25);
    atomicAdd(l, 1ull);
    atomicMax(l + 1, (unsigned long long)t);
    atomicAdd(h, __float2half(1.0f));
    int* q = (int*)(f + 1);
    int old = *q, seen;
    do {
        seen = old;
        old = atomicCAS(q, seen, __float_as_int(__int_as_float(seen) + 1.0f));
    } while (seen != old);
}"""


@pytest.mark.parametrize("seed", [None, 3])
def test_atomic_operations(seed):
    i, u, f, d = np.zeros(9, np.int32), np.zeros(2, np.uint32), np.zeros(2, np.float32), np.zeros(1)
    l, h = np.zeros(2, np.uint64), np.zeros(1, np.float16)
    i[6] = 255
    RawKernel(ATOMICS, "k", seed=seed)((4,), (64,), (i, u, f, d, l, h))
    assert i.tolist() == [255 * 128, -256, -255, 255, 7, 9, 0, 255, 0]
    assert (f.tolist(), d[0], l.tolist(), h[0]) == ([128, 256], 64, [256, 255], 256)
    up = down = 0
    for _ in range(256):
        up = 0 if up >= 10 else up + 1
        down = 10 if down == 0 or down > 10 else down - 1
    assert u.tolist() == [up, down]


WARP = r"""
extern "C" __global__ void k(int* o) {
    int t = threadIdx.x, p;
    unsigned m = 0xffffffffu;
    o[t] = __ballot_sync(m, t & 1);
    o[32 + t] = __any_sync(m, t == 3) + 2 * __any_sync(m, t == 99);
    o[64 + t] = __all_sync(m, t < 32) + 2 * __all_sync(m, t < 31);
    o[96 + t] = __match_any_sync(m, t / 8);
    o[128 + t] = __match_all_sync(m, 5, &p) + p;
    o[160 + t] = __match_all_sync(m, t, &p) + p;
    o[192 + t] = __reduce_add_sync(m, t);
    o[224 + t] = __reduce_min_sync(m, -t);
    o[256 + t] = __reduce_max_sync(m, (unsigned)t) + 100 * __reduce_xor_sync(m, 1u << (t % 3));
    o[288 + t] = __shfl_up_sync(m, t, 2);
    o[320 + t] = __shfl_xor_sync(m, t, 5);
    o[352 + t] = __shfl_sync(m, t, 3, 8);
    o[384 + t] = __shfl_down_sync(m, t, 3, 16);
    o[416 + t] = __syncthreads_count(t < 7);
    o[448 + t] = __syncthreads_and(t < 7) + 2 * __syncthreads_or(t < 7);
    if (t < 16) {
        o[480 + t] = __activemask();
    } else {
        __syncwarp(0xffff0000u);
        o[480 + t] = __reduce_or_sync(0xffff0000u, 1u << t);
    }
}"""


@pytest.mark.parametrize("seed", [None, 3])
def test_what_a_warp_does_together(seed):
    o, t = np.zeros((16, 32), np.int32), np.arange(32)
    RawKernel(WARP, "k", seed=seed)((1,), (32,), (o,))
    assert (o[0].view(np.uint32) == 0xAAAAAAAA).all()
    assert (o[1] == 1).all()
    assert (o[2] == 1).all()
    assert (o[3].view(np.uint32) == 0xFF << t // 8 * 8).all()
    assert (o[4] == 0).all()  # a mask of ones is -1, and the predicate 1
    assert (o[5] == 0).all()
    assert (o[6] == t.sum()).all()
    assert (o[7] == -31).all()
    assert (o[8] == 31 + 100 * np.bitwise_xor.reduce(1 << t % 3)).all()
    assert (o[9] == np.where(t < 2, t, t - 2)).all()
    assert (o[10] == t ^ 5).all()
    assert (o[11] == t // 8 * 8 + 3).all()
    assert (o[12] == np.where(t % 16 < 13, t + 3, t)).all()
    assert (o[13] == 7).all()
    assert (o[14] == 2).all()
    assert (o[15, :16] == 0xFFFF).all()
    assert (o[15, 16:].view(np.uint32) == 0xFFFF0000).all()


GROUPS = r"""
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;
template <int N> __device__ int tile_sum(cg::thread_block_tile<N> g, int v) {
    for (int o = g.size() / 2; o > 0; o /= 2) v += g.shfl_down(v, o);
    return v;
}
extern "C" __global__ void k(const int* x, int* o) {
    cg::thread_block b = cg::this_thread_block();
    auto w = cg::tiled_partition<32>(b);
    auto t = cg::tiled_partition<8>(w);
    int r = b.thread_rank(), v = x[r];
    o[r] = cg::reduce(t, v, cg::plus<int>());
    o[64 + r] = cg::reduce(w, v, cg::greater<int>()) + cg::reduce(w, v, cg::less<int>());
    o[128 + r] = t.ballot(v & 1);
    o[192 + r] = tile_sum<8>(t, v);
    if (v % 3 == 0) {
        auto c = cg::coalesced_threads();
        o[256 + r] = c.size() * 100 + c.thread_rank();
        o[320 + r] = c.shfl(v, 0);
    }
    b.sync();
    cg::sync(w);
    o[384 + r] = t.meta_group_rank() * 10 + t.any(v > 90) + 2 * t.all(v > 5);
    auto parts = cg::binary_partition(w, v > 50);
    o[448 + r] = cg::reduce(parts, v, cg::plus<int>());
}"""


def test_cooperative_groups():
    x, o = np.random.default_rng(1).integers(0, 100, 64).astype(np.int32), np.zeros((8, 64), np.int32)
    RawKernel(GROUPS, "k")((1,), (64,), (x, o))
    tiles, warps = x.reshape(8, 8), x.reshape(2, 32)
    np.testing.assert_array_equal(o[0], tiles.sum(1).repeat(8))
    np.testing.assert_array_equal(o[1], (warps.max(1) + warps.min(1)).repeat(32))
    np.testing.assert_array_equal(o[2], ((tiles & 1) << np.arange(8)).sum(1).repeat(8))
    np.testing.assert_array_equal(o[3].reshape(8, 8)[:, 0], tiles.sum(1))
    for w in range(2):
        chosen = np.flatnonzero(warps[w] % 3 == 0)
        np.testing.assert_array_equal(o[4, 32 * w + chosen], len(chosen) * 100 + np.arange(len(chosen)))
        np.testing.assert_array_equal(o[5, 32 * w + chosen], warps[w, chosen[0]])
        for large in (True, False):
            part = np.flatnonzero((warps[w] > 50) == large)
            np.testing.assert_array_equal(o[7, 32 * w + part], warps[w, part].sum())
    expected = np.arange(8) * 10 + (tiles > 90).any(1) + 2 * (tiles > 5).all(1)
    np.testing.assert_array_equal(o[6], expected.repeat(8))


MODULE = r"""
__constant__ float c[4];
__device__ int counter = 3;
namespace inner { __device__ double table[2][2]; }
__device__ float f(float x);
__device__ float f(float x) { return x * c[1]; }
extern "C" {
__global__ void scale(float* o) { o[threadIdx.x] = f(c[threadIdx.x]); atomicAdd(&counter, 1); }
}
extern "C" __global__ void look(int* o) { *o = counter; }
template <class T> __global__ void size(T* o) { *o = T(sizeof(T)); }
"""


def test_a_module_with_variables_and_templates():
    module = RawModule(code=MODULE, options=("-std=c++14",), name_expressions=("size<double>",))
    module.get_global("c").set(np.array([1, 2, 3, 4], np.float32))
    o, n, d = np.zeros(4, np.float32), np.zeros(1, np.int32), np.zeros(1)
    module.get_function("scale")((1,), (4,), (o,))
    module.get_function("look")((1,), (1,), (n,))
    module.get_function("size<double>")((1,), (1,), (d,))
    assert (o.tolist(), n[0], d[0]) == ([2, 4, 6, 8], 7, 8)
    assert module.get_global("counter").get(np.int32)[0] == 7
    assert module.get_global("inner::table").nbytes == 32
    with pytest.raises(emulator.EmulatorError, match="no kernel 'missing'; there are: scale, look, size<double>"):
        module.get_function("missing")
    with pytest.raises(emulator.ArgumentError, match="20 bytes at 0 do not fit c"):
        module.get_global("c").set(np.zeros(5, np.float32))
    for whole in RawModule(code=MODULE, name_expressions=("size",)), RawKernel(MODULE, "size"):
        with pytest.raises(emulator.EmulatorError, match="size is a template; name an instance of it, such as 'size<"):
            whole.compile()
    special = MODULE + "template <> __global__ void size<int>(int* o) { *o = 40; }"
    RawKernel(special, "size<int>")((1,), (1,), (n,))
    assert n[0] == 40


SHARED = r"""
extern __shared__ __align__(16) unsigned char smem[];
template <int B, typename T> __device__ T reversed(T x) {
    __shared__ T buf[B];
    buf[threadIdx.x] = x;
    __syncthreads();
    T r = buf[B - 1 - threadIdx.x];
    __syncthreads();
    return r;
}
extern "C" __global__ void k(float* o, int n) {
    float* s = reinterpret_cast<float*>(smem);
    __shared__ volatile int flag;
    __shared__ float a[2][32],
                     b[32];
    s[threadIdx.x] = threadIdx.x;
    a[1][threadIdx.x] = b[threadIdx.x] = 1;
    if (threadIdx.x == 0) flag = sizeof(a) / 4;
    __syncthreads();
    auto at = [&](int i) { return s[i]; };
    o[threadIdx.x] = at(n - 1 - threadIdx.x) + flag + a[1][0] + b[3];
    o[threadIdx.x] += reversed<32, float>(threadIdx.x) + reversed<32, int>(threadIdx.x);
}"""


@pytest.mark.parametrize("check", [False, True])
def test_shared_memory_of_every_sort(check):
    o = np.zeros(32, np.float32)
    kernel = RawKernel(SHARED, "k", check=check)
    kernel((1,), (32,), (o, 32), shared_mem=128)
    np.testing.assert_array_equal(o, 3 * np.arange(32)[::-1] + 66)
    assert not check or not kernel.findings


VECTORS = r"""
extern "C" __global__ void k(const float4* a, float4* b, double2* d, uchar4* u, int3* i, longlong2* l) {
    float4 v = a[threadIdx.x];
    b[threadIdx.x] = make_float4(v.w, v.z, v.y, v.x);
    d[0] = make_double2(1, 2);
    u[0] = make_uchar4(1, 2, 3, 4);
    i[1] = make_int3(1, 2, 3);
    l[0] = make_longlong2(-1, 5);
    float2 pair = *reinterpret_cast<const float2*>(&a[1]);
    if (threadIdx.x == 0) b[0].x = pair.y + sizeof(float3) + alignof(float4) + sizeof(short4);
}"""


def test_vector_types():
    a, b, d = floats(4, 4), np.zeros((4, 4), np.float32), np.zeros(2)
    u, i, l = np.zeros(4, np.uint8), np.zeros(6, np.int32), np.zeros(2, np.int64)
    RawKernel(VECTORS, "k")((1,), (4,), (a, b, d, u, i, l))
    np.testing.assert_array_equal(b[1:], a[1:, ::-1])
    assert b[0, 0] == a[1, 1] + np.float32(12 + 16 + 8)
    assert (d.tolist(), u.tolist(), i[3:].tolist(), l.tolist()) == ([1, 2], [1, 2, 3, 4], [1, 2, 3], [-1, 5])


TENSOR_CORES = r"""
#include <mma.h>
using namespace nvcuda;
extern "C" __global__ void tf32(const float* a, const float* b, float* c) {
    wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::col_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 8, float> fc;
    wmma::load_matrix_sync(fc, c, 16, wmma::mem_row_major);
    wmma::load_matrix_sync(fa, a, 8);
    wmma::load_matrix_sync(fb, b, 8);
    for (int i = 0; i < fa.num_elements; i++) fa.x[i] = wmma::__float_to_tf32(fa.x[i]);
    for (int i = 0; i < fb.num_elements; i++) fb.x[i] = wmma::__float_to_tf32(fb.x[i]);
    wmma::mma_sync(fc, fa, fb, fc);
    wmma::store_matrix_sync(c, fc, 16, wmma::mem_col_major);
}
extern "C" __global__ void halves(const half* a, const half* b, float* c) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
    wmma::fill_fragment(fc, 1.0f);
    wmma::load_matrix_sync(fa, a, 16);
    wmma::load_matrix_sync(fb, b, 16);
    wmma::mma_sync(fc, fa, fb, fc);
    wmma::store_matrix_sync(c, fc, 16, wmma::mem_row_major);
}"""


def test_tensor_cores():
    rng, module = np.random.default_rng(0), RawModule(TENSOR_CORES)
    a, b, c = rng.standard_normal((16, 16)), rng.standard_normal((16, 16)), np.zeros((16, 16), np.float32)
    a, b = a.astype(np.float16), b.astype(np.float16)
    module.get_function("halves")((1,), (32,), (a, b, c))
    np.testing.assert_allclose(c, a.astype(float) @ b.astype(float) + 1, rtol=1e-6, atol=1e-6)
    x, y = rng.standard_normal((16, 8)).astype(np.float32), rng.standard_normal((16, 8)).astype(np.float32)
    z = np.ones((16, 16), np.float32)
    module.get_function("tf32")((1,), (32,), (x, y, z))
    rounded = [(v.view(np.uint32) + 0x1000 & 0xFFFFE000).view(np.float32).astype(float) for v in (x, y)]
    np.testing.assert_allclose(z.T, rounded[0] @ rounded[1].T + 1, rtol=1e-6, atol=1e-6)


FACTORS = r"""
#include <mma.h>
using namespace nvcuda;
template <int M, int N, class A, class B> __global__ void product(const half* a, const half* b, float* c) {
    __shared__ __align__(32) half as[32 * (M + 24)], bs[32 * (N + 24)];
    for (int i = threadIdx.x; i < 32 * (M + 24); i += 32) as[i] = a[i];
    for (int i = threadIdx.x; i < 32 * (N + 24); i += 32) bs[i] = b[i];
    __syncwarp();
    wmma::fragment<wmma::matrix_a, M, N, 16, half, A> fa;
    wmma::fragment<wmma::matrix_b, M, N, 16, half, B> fb;
    wmma::fragment<wmma::accumulator, M, N, 16, float> fc;
    wmma::fill_fragment(fc, 0.0f);
    wmma::load_matrix_sync(fa, as, std::is_same<A, wmma::row_major>::value ? 24 : M + 8);
    wmma::load_matrix_sync(fb, bs, std::is_same<B, wmma::row_major>::value ? N + 8 : 24);
    for (int i = 0; i < fa.num_elements; i++) fa.x[i] = fa.x[i] + fa.x[i];
    wmma::mma_sync(fc, fa, fb, fc);
    wmma::store_matrix_sync(c, fc, N, wmma::mem_row_major);
}"""


@pytest.mark.parametrize("m", [16, 32, 8])
def test_halves_come_to_tensor_cores_in_any_layout_as_a_device_loads_them(m):
    n, rng = {16: 16, 32: 8, 8: 32}[m], np.random.default_rng(0)
    for rows_of_a, rows_of_b in [(True, True), (True, False), (False, True), (False, False)]:
        layouts = [f"nvcuda::wmma::{'row' if rows else 'col'}_major" for rows in (rows_of_a, rows_of_b)]
        x, y = (rng.standard_normal(shape).astype(np.float16) for shape in ((m, 16), (16, n)))
        a, b = np.zeros(32 * (m + 24), np.float16), np.zeros(32 * (n + 24), np.float16)
        for flat, tile, rows in ((a, x, rows_of_a), (b, y, rows_of_b)):
            lines = tile if rows else tile.T
            pitch = lines.shape[1] + 8  # rows that begin in other banks
            flat[: len(lines) * pitch].reshape(len(lines), pitch)[:, :-8] = lines
        c = np.zeros((m, n), np.float32)
        kernel = RawKernel(FACTORS, f"product<{m}, {n}, {layouts[0]}, {layouts[1]}>", check=True)
        kernel((1,), (32,), (a, b, c))
        np.testing.assert_allclose(c, 2 * x.astype(float) @ y.astype(float), rtol=1e-6, atol=1e-5)
        loads = [count for count in kernel.counters if (count.space, count.operation) == ("shared", "load")]
        sizes = (16 * m, 16 * n)
        assert [count.bank_conflicts for count, size in zip(loads, sizes, strict=True) if size >= 256] == [
            0 for size in sizes if size >= 256]


def test_printf_comes_to_standard_output(capsys):
    source = r"""
    #include <cstdio>
    extern "C" __global__ void k() { printf("%d of %s: %.1f%%\n", threadIdx.x, "two", 50.0); }"""
    RawKernel(source, "k")((1,), (2,), ())
    assert capsys.readouterr().out == "0 of two: 50.0%\n1 of two: 50.0%\n"


def test_defines_and_standards_are_taken_from_the_options():
    source = 'extern "C" __global__ void k(int* x) { x[0] = N; x[1] = __cplusplus > 201703L; }'
    x = np.zeros(2, np.int32)
    for options, later in {("-DN=5", "-std=c++20"): True, ("-D", "N=5", "--std=c++20", "-arch=sm_90"): True,
                           ("--define-macro=N=5", "-std=c++11"): False}.items():  # fmt: skip
        RawKernel(source, "k", options)((1,), (1,), (x,))
        assert x.tolist() == [5, later]

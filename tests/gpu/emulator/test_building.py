"""The cache of compiled kernels, and finding names in source."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from teachgrad_gpu.compiling import compile_cuda, compilers
from teachgrad_gpu.emulator import EmulatorError, RawKernel, building
from teachgrad_gpu.emulator.scanning import masked
from teachgrad_gpu.emulator.source import prepare

needs_compiler = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
KERNEL = 'extern "C" __global__ void k(int* x) { x[0] = %s; }'
SCRIPT = f"""
import numpy as np
from teachgrad_gpu.emulator import RawKernel
x = np.zeros(1, np.int32)
RawKernel({KERNEL % "41 + 1"!r}, "k")((1,), (1,), (x,))
assert x[0] == 42
"""


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHGRAD_CACHE", str(tmp_path))
    return tmp_path / "emulator"


def run(count=1):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return [subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment) for _ in range(count)]


@needs_compiler
@pytest.mark.slow
def test_a_kernel_is_compiled_once(own_cache):
    def libraries():
        return {path: path.stat().st_mtime_ns for path in own_cache.glob("*.so")}

    prepared = prepare(KERNEL % 1)
    building.build(prepared, ("k",), (), False)
    first = libraries()
    building.build(prepared, ("k",), (), False)
    assert libraries() == first
    building.build(prepared, ("k",), ("-DX=1",), False)
    assert len(libraries()) == len(first) + 1
    next(iter(first)).write_bytes(b"half of a libra")
    assert building.build(prepared, ("k",), (), False).stat().st_size > 1000


@needs_compiler
@pytest.mark.slow
def test_processes_that_build_at_once_do_not_disturb_each_other(own_cache):
    assert [each.wait(300) for each in run(2)] == [0] * 2
    assert not list(own_cache.glob("build-*"))


@needs_compiler
@pytest.mark.slow
def test_a_build_that_was_killed_leaves_nothing_that_is_taken_for_whole(own_cache):
    for delay in (0.3, 1.5):
        [victim] = run()
        time.sleep(delay)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    assert run()[0].wait(300) == 0


def test_without_a_compiler_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(EmulatorError, match=r"install g\+\+ or clang\+\+, or name one in CXX"):
        RawKernel(KERNEL % 1, "k").compile()


@needs_compiler
@pytest.mark.slow
def test_a_compiler_that_cannot_link_cplusplus_is_not_taken_for_a_mistake_in_the_kernel(own_cache, monkeypatch):
    monkeypatch.setenv("CXX", f"{building.command()[0]} -nostdlib")
    with pytest.raises(EmulatorError, match=r"-nostdlib cannot build .*; name another C\+\+ compiler in CXX"):
        building.worker()


@needs_compiler
@pytest.mark.slow
def test_the_portable_switch_gives_the_same(monkeypatch):
    from teachgrad_gpu.emulator import process

    source = """extern "C" __global__ void k(int* x) {
        __shared__ int s[64];
        s[threadIdx.x] = threadIdx.x;
        __syncthreads();
        x[threadIdx.x] = __reduce_add_sync(~0u, s[63 - threadIdx.x]);
    }"""
    x, kernel = np.zeros(64, np.int32), RawKernel(source, "k")
    monkeypatch.setenv("TEACHGRAD_EMULATOR_FIBERS", "ucontext")
    kernel((1,), (64,), (x,))
    assert process.worker().switching == b"ucontext"
    monkeypatch.delenv("TEACHGRAD_EMULATOR_FIBERS")
    assert x.tolist() == [sum(range(32, 64))] * 32 + [sum(range(32))] * 32


def test_kernels_variables_and_shared_memory_are_found_in_source():
    source = """
    // __global__ void commented(int x) {}
    namespace a { namespace b { __constant__ float table[4]; __global__ void inner(float* x) { } } }
    template <class T> __global__ void generic(T* x) { }
    extern "C" { __global__ void __launch_bounds__(256, 2) bounded(float* x, int n) { if (n) { } } }
    __device__ int total = 0, other;
    __device__ float helper(float x) { __shared__ float s[4], t; return x; }
    static __global__ void
    spread(const char* s = "}{") { extern __shared__ double d[]; }
    """
    prepared = prepare(source)
    assert prepared.kernels == ("a::b::inner", "bounded", "spread")
    assert prepared.variables["a::b::table"] is True
    assert prepared.dynamic == ("d", "double")
    assert "float (&s)[4] = TG_SHARED(s), (&t) = TG_SHARED(t);" in prepared.text
    for declared, rewritten in {
        "unsigned int __shared__ a[2][3];": "unsigned int (&a)[2][3] = TG_SHARED(a);",
        "__align__(16) __shared__ half a[N * (M + 1)];": "half (&a)[N * (M + 1)] = TG_SHARED(a);",
        "volatile __shared__ std::pair<int, T> a;": "volatile std::pair<int, T> (&a) = TG_SHARED(a);",
        "extern float __shared__ a[];": "float* const a = (float*)tg_dynamic;",
        "extern __shared__ alignas(16) char a[];": "char* const a = (char*)tg_dynamic;",
        "extern __shared__ float a[][8];": "float (* const a)[8] = (float (*)[8])tg_dynamic;",
    }.items():
        assert prepare(f"void f() {{ {declared} }}").text == f"void f() {{ {rewritten} }}"
    assert list(prepared.variables) == ["a::b::table", "total", "other"]
    assert "TG_DATA __device__ int total = 0, other; TG_GUARD_DATA(1)" in prepared.text
    assert "TG_ZEROS __constant__ float table[4]; TG_GUARD_ZEROS(0)" in prepared.text
    assert prepared.text.count("\n") == source.count("\n")
    assert masked('a /* b */ "c" // d') == 'a         "c"     '.replace('"c"', "   ")


def test_what_is_left_out_in_any_case_is_not_looked_at():
    source = """
    #if 0
    __device__ int gone;
    #ifdef MORE
    asm("");
    #else
    __global__ void old() { }
    #endif
    #else
    __device__ int here;
    #endif
    #ifdef MORE
    __constant__ float c[2];
    #else
    __constant__ float c[4];
    #endif
    __global__ void k() { }"""
    prepared = prepare(source)
    assert prepared.kernels == ("k",)
    assert list(prepared.variables) == ["here", "c"]
    assert "TG_" not in prepared.text.partition("TG_ZEROS __device__ int here;")[0]


@needs_compiler
def test_what_the_preprocessor_leaves_out_is_not_there():
    source = """
    #ifdef MORE
    namespace inner { __device__ int extra[3] = {1, 2, 3}; }
    extern "C" __global__ void more(int* x) { x[0] = inner::extra[2]; }
    #endif
    extern "C" __global__ void k(int* x) { x[0] = 5; }"""
    x = np.zeros(1, np.int32)
    RawKernel(source, "k")((1,), (1,), (x,))
    assert x[0] == 5
    with pytest.raises(EmulatorError, match="preprocessor leaves it out; there are: k"):
        RawKernel(source, "more")((1,), (1,), (x,))
    RawKernel(source, "more", ("-DMORE",))((1,), (1,), (x,))
    assert x[0] == 3


@pytest.mark.parametrize(("declared", "names", "rewritten"), [
    ("__device__ const int dx[2] = {1, 2};", ["dx"],
     "TG_DATA __device__ TG_CONST int dx[2] = {1, 2}; TG_GUARD_DATA(0)"),
    ("static __constant__ unsigned long a[2][3], b;", ["a", "b"],
     "TG_ZEROS static __constant__ unsigned long a[2][3], b; TG_GUARD_ZEROS(0)"),
    ("__constant__ __align__(16) P p;", ["p"], "TG_DATA __constant__ __align__(16) P p; TG_GUARD_DATA(0)"),
    ("__device__ const float* p = x, *q{y};", ["p", "q"],
     "TG_DATA __device__ const float* p = x, *q{y}; TG_GUARD_DATA(0)"),
    ("__device__ std::pair<int, float> p;", ["p"], "TG_DATA __device__ std::pair<int, float> p; TG_GUARD_DATA(0)"),
    ("__device__ int a = 1 < 2, b;", ["a", "b"], "TG_DATA __device__ int a = 1 < 2, b; TG_GUARD_DATA(0)"),
    ("__device__ const int n = 5;", ["n"], "__device__ const int n = 5;"),
    ("constexpr __device__ int n[2] = {1, 2};", ["n"], "constexpr __device__ int n[2] = {1, 2};"),
    ("template <class T> __device__ T v = T(1);", [], "template <class T> __device__ T v = T(1);"),
    ("__device__ float (*f)(float) = g;", [], "__device__ float (*f)(float) = g;"),
    ("#define DEVICE __device__ inline\nDEVICE int f();", [], "#define DEVICE __device__ inline\nDEVICE int f();"),
    ("struct S { __device__ int f() { return 1; } };", [], "struct S { __device__ int f() { return 1; } };"),
    ("__device__ auto f(int a = 1) -> int { return a; }", [], "__device__ auto f(int a = 1) -> int { return a; }"),
])  # fmt: skip
def test_variables_of_a_module_are_kept_apart(declared, names, rewritten):
    prepared = prepare(declared)
    assert list(prepared.variables) == names
    assert prepared.text == rewritten


def test_the_user_s_headers_are_read_from_the_folders_that_are_named(tmp_path):
    (tmp_path / "helper.cuh").write_text("#pragma once\n__device__ int twice(int x) { return 2 * x; }\n")
    kernel = 'extern "C" __global__ void k(int* x) { x[0] = twice(4); }'
    (tmp_path / "own.cuh").write_text('#include "own.cuh"')
    with pytest.raises(EmulatorError, match='includes itself'):
        prepare('#include "own.cuh"', (tmp_path,))
    source = f'#include "helper.cuh"\n#include "helper.cuh"\n#include <cuda_runtime.h>\n{kernel}'
    assert "twice" in prepare(source, (tmp_path,)).text
    with pytest.raises(EmulatorError, match="line 5: inline PTX"):
        prepare(source + '\n__device__ void f() { asm(""); }', (tmp_path,))
    with pytest.raises(EmulatorError, match=r'line 1: "helper\.cuh" is not found'):
        prepare(source)
    if building.command() is not None:
        x = np.zeros(1, np.int32)
        RawKernel(source, "k", folders=(tmp_path,))((1,), (1,), (x,))
        assert x[0] == 8


@pytest.mark.skipif("nvrtc" not in compilers(), reason="no compiler of NVIDIA's")
@pytest.mark.slow
@pytest.mark.parametrize("folder", ["course", "right", "wrong"])
def test_nvidia_s_compiler_takes_the_test_kernels(folder):
    """What is wrong with the wrong ones is no matter of syntax. The run-time compiler knows no header of C."""
    files = sorted((Path(__file__).parent / folder).glob("*.cu"))
    assert len(files) > 20
    for path in files:
        source = path.read_text()
        if "#include <assert.h>" not in source:
            options = "-std=c++17", "-diag-suppress=550", "-DINFINITY=__int_as_float(0x7f800000)"
            assert compile_cuda(source, "sm_80", options, path.name, "nvrtc").cubin

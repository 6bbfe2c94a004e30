"""malloc, free, new and delete in kernels: how long memory lives, and how much of it there is."""

import numpy as np
import pytest

from teachgrad_gpu.emulator import LaunchError, RawKernel, RawModule, building

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")

LASTING = r"""
__device__ int* kept[4];
extern "C" __global__ void take(unsigned long long* here, int mode) {
    int* p = new int[8];
    for (int i = 0; i < 8; i++) p[i] = 10 * blockIdx.x + i;
    if (mode == 0) kept[blockIdx.x] = p;
    if (mode == 1) here[blockIdx.x] = (unsigned long long)(p + 3);
}
extern "C" __global__ void use(unsigned long long* here, int* out, int mode) {
    int* p = mode == 0 ? kept[blockIdx.x] : (int*)here[blockIdx.x] - 3;
    out[blockIdx.x] = p[7];
    delete[] p;
}
"""


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("mode", ["a variable of the module", "an array"])
def test_what_one_launch_has_taken_is_there_for_the_next_if_somebody_has_kept_a_pointer(check, mode):
    number = ["a variable of the module", "an array"].index(mode)
    module = RawModule(LASTING, check=check)
    here, out = np.zeros(4, np.uint64), np.zeros(4, np.int32)
    take, use = module.get_function("take"), module.get_function("use")
    take((4,), (1,), (here, number))
    use((4,), (1,), (here, out, number))
    assert out.tolist() == [7, 17, 27, 37]
    assert not check or not take.findings + use.findings
    if check:
        use((4,), (1,), (here, out, number))
        assert {(f.kind, f.line) for f in use.findings} == {("use after free", 11)}
        assert "freed in an earlier launch" in use.findings[0].message


def test_what_nobody_has_kept_a_pointer_to_is_lost():
    take = RawModule(LASTING, check=True).get_function("take")
    take((4,), (1,), (np.zeros(4, np.uint64), 2))
    assert [(f.kind, f.line, f.count) for f in take.findings] == [("leak", 4, 4)]


def test_a_kernel_without_checking_is_stopped_by_a_wrong_free():
    source = """extern "C" __global__ void k(int* x, int mode) {
        void* p = malloc(16);
        free(p);
        free(mode == 0 ? p : mode == 1 ? (void*)x : nullptr);
    }"""
    kernel, x = RawKernel(source, "k"), np.zeros(4, np.int32)
    for mode, kind in enumerate(("double free", "invalid free")):
        with pytest.raises(LaunchError) as error:
            kernel((1,), (1,), (x, mode))
        assert (error.value.kind, error.value.line) == (kind, 4)
    kernel((1,), (1,), (x, 2))  # a null pointer may be freed


@pytest.mark.parametrize("check", [False, True])
def test_the_heap_has_8_mib_and_what_is_freed_is_there_again(check):
    source = """extern "C" __global__ void k(int* x) {
        char* kept[9];
        for (int i = 0; i < 9; i++) {
            kept[i] = (char*)malloc(1 << 20);
            if (kept[i]) kept[i][0] = 1, x[0]++;
        }
        for (int i = 0; i < 9; i++) free(kept[i]);
        for (int i = 0; i < 40; i++) {
            double* p = new double[1 << 17];
            if (p) p[5] = i, x[1]++;
            delete[] p;
        }
    }"""
    kernel, x = RawKernel(source, "k", check=check), np.zeros(2, np.int32)
    for _ in range(2):
        x[...] = 0
        kernel((1,), (1,), (x,))
        assert x.tolist() == [8, 40]
    assert not check or not kernel.findings


@pytest.mark.parametrize("check", [False, True])
def test_a_kernel_may_take_and_give_back_far_more_than_there_is(check):
    """2.4 GB in all, or 160 MB where each access is watched; what is known of memory that is gone is forgotten."""
    source = """extern "C" __global__ void k(int* x, int times) {
        for (int i = 0; i < times; i++) {
            int* p = (int*)malloc(40000);
            for (int k = 0; k < 10000; k += 500) p[k] = k;
            x[blockIdx.x] += p[9500] == 9500;
            free(p);
        }
    }"""
    kernel, x, times = RawKernel(source, "k", check=check), np.zeros(4, np.int32), 1000 if check else 15_000
    kernel((4,), (1,), (x, times))
    assert x.tolist() == [times] * 4
    assert not check or not kernel.findings


def test_a_recording_names_what_malloc_has_given():
    source = """extern "C" __global__ void k(int* x) {
        int* p = (int*)malloc(8);
        p[1] = 7;
        __syncthreads();
        x[0] = p[1];
        free(p);
    }"""
    kernel = RawKernel(source, "k", record=True)
    kernel((1,), (1,), (np.zeros(1, np.int32),))
    seen = [(event.kind, event.line, event.array) for event in kernel.events if event.kind in ("read", "write")]
    assert seen == [("write", 3, "malloc(8) of line 2"), ("read", 5, "malloc(8) of line 2"), ("write", 5, "x")]

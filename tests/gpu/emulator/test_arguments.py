"""From Python's arguments to a kernel's: as CuPy, and refused where a device would misread the bytes."""

import numpy as np
import pytest

from teachgrad_gpu import emulator
from teachgrad_gpu.emulator import ArgumentError, RawKernel, building

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")

SOURCE = r"""
#include <cuda_fp16.h>
extern "C" __global__ void k(double* o, int i, float f, double d, bool b, unsigned char c, long long l, __half h,
                             float2 v, const float* x) {
    o[0] = i; o[1] = f; o[2] = d; o[3] = b; o[4] = c; o[5] = l; o[6] = (float)h; o[7] = v.x + v.y; o[8] = x ? x[0] : -1;
}"""
GOOD = (1, np.float32(0.5), 2.5, True, 200, 1 << 40, np.float16(1.5), np.complex64(1 + 2j), np.array([7.0], np.float32))


@pytest.fixture(scope="module")
def kernel():
    return RawKernel(SOURCE, "k")


def launched(kernel, *given):
    o = np.zeros(9)
    kernel((1,), (1,), (o, *given))
    return o.tolist()


def test_scalars_and_arrays(kernel):
    assert launched(kernel, *GOOD) == [1, 0.5, 2.5, 1, 200, 1 << 40, 1.5, 3, 7]
    others = (np.int64(-3), np.float32(0.5), np.float64(2.5), np.bool_(False), np.uint8(7), np.int8(-1),
              np.float16(1.5), np.complex64(0), None)  # fmt: skip
    assert launched(kernel, *others) == [-3, 0.5, 2.5, 0, 7, -1, 1.5, 0, -1]


@pytest.mark.parametrize(("position", "value", "message"), [
    (0, 1.5, r"argument 2 of k is `int i`; a float64 has other bytes.*pass np.int32"),
    (0, 1 << 31 << 1, "does not fit 32 bits"),
    (1, 0.5, r"argument 3 of k is `float f`; a float64 has other bytes, which a device would misread; pass np.float32"),
    (1, 1, "pass np.float32"),
    (2, np.float32(1), "pass np.float64"),
    (0, np.zeros(1, np.int32), "an array is given"),
    (8, 5, "a pointer; int is no array"),
    (0, "five", "str is neither a number nor an array"),
    (0, 1 << 70, "does not fit 64 bits"),
])  # fmt: skip
def test_bytes_that_would_be_misread_are_refused(kernel, position, value, message):
    given = list(GOOD)
    given[position] = value
    with pytest.raises(ArgumentError, match=message):
        launched(kernel, *given)


def test_a_wrong_count_names_the_parameters(kernel):
    with pytest.raises(ArgumentError, match=r"k takes 10 arguments \(double\* o, int i, .*\), 3 are given"):
        launched(kernel, 1, 2)


@pytest.mark.parametrize(("grid", "block", "shared", "message"), [
    ((0,), (1,), 0, "grid.x is 0"),
    ((1, 70000), (1,), 0, "grid.y is 70000"),
    ((1,), (32, 33), 0, "1056 threads; 1024 is the most"),
    ((1,), (1, 1, 65), 0, "block.z is 65"),
    ((1,), (1.5,), 0, "one to three integers"),
    ((1,), (1,), 1 << 20, "232448 is the most"),
    ((1,), (1,), 50000, "unless kernel.max_dynamic_shared_size_bytes says that it may"),
])  # fmt: skip
def test_sizes_that_no_device_has_are_refused(kernel, grid, block, shared, message):
    with pytest.raises(ArgumentError, match=message):
        kernel(grid, block, (np.zeros(9), *GOOD), shared_mem=shared)


COPY = """extern "C" __global__ void copy(const float* x, float* y, int n) {
    for (int i = 0; i < n; i++) y[i] = 2 * x[i];
}"""


def test_arrays_are_pointers_to_their_first_element():
    copy, base = RawKernel(COPY, "copy"), np.arange(20, dtype=np.float32)
    out = np.zeros((4, 5), np.float32)
    copy((1,), (1,), (base[3:], out[1:], 10))
    np.testing.assert_array_equal(out.ravel()[5:15], 2 * base[3:13])
    assert (out[0] == 0).all()
    strided = np.zeros(20, np.float32)
    copy((1,), (1,), (base, strided[::2], 19))  # strides are not passed, as in CuPy
    np.testing.assert_array_equal(strided[:19], 2 * base[:19])


@pytest.mark.parametrize("make", [np.zeros, emulator.zeros])
def test_arrays_that_overlap_still_do(make):
    copy, base = RawKernel(COPY, "copy"), make(8, np.float32)
    base[...] = 1
    copy((1,), (1,), (base, base[1:], 7))
    assert base.tolist() == [1, 2, 4, 8, 16, 32, 64, 128]


@pytest.mark.parametrize("make", [np.zeros, emulator.zeros])
def test_an_array_inside_of_another_leaves_the_rest_of_it(make):
    copy, base = RawKernel(COPY, "copy", check=True), make(8, np.float32)
    for x, y in ((base[2:4], base), (base[2:4], base[4:]), (base, base[2:4])):
        copy((1,), (1,), (x, y, 2))
        assert not copy.findings, copy.report()
    copy((1,), (1,), (base[2:4], base, 5))  # what lies in the one or the other is no stranger's memory
    assert not copy.findings, copy.report()
    copy((1,), (1,), (base[2:4], base, 9))
    assert [(f.kind, f.array, f.index) for f in copy.findings] == [("out of bounds", "y", (8,))]


def test_a_read_only_array_is_for_const_parameters_alone():
    copy, x, y = RawKernel(COPY, "copy"), np.ones(4, np.float32), np.zeros(4, np.float32)
    x.flags.writeable = False
    copy((1,), (1,), (x, y, 4))
    assert y.tolist() == [2] * 4
    y.flags.writeable = False
    with pytest.raises(ArgumentError, match="its array is read-only; pass a copy"):
        copy((1,), (1,), (x, y, 4))


def test_shared_arrays_are_used_in_place_and_their_memory_again():
    arena = emulator.memory.arena()
    x = emulator.asarray(np.arange(5.0))
    assert emulator.is_shared(x[1:])
    assert emulator.asarray(x) is x
    assert not emulator.is_shared(np.zeros(3))
    place = x.__array_interface__["data"][0]
    view = x[2:]
    del x
    assert emulator.empty(5, np.float64).__array_interface__["data"][0] != place, "a view keeps it"
    del view
    assert emulator.empty(5, np.float64).__array_interface__["data"][0] == place
    large = emulator.zeros((1 << 22,), np.float64)
    large[-1] = 3
    assert arena.find(large.__array_interface__["data"][0]) is not None
    assert emulator.empty((0, 3)).shape == (0, 3)
    with pytest.raises(emulator.EmulatorError, match="Python objects"):
        emulator.empty(3, object)


def test_an_array_of_other_numbers_than_the_pointer_names_is_refused_where_a_launch_is_checked():
    source = 'extern "C" __global__ void k(const float* x) {}'
    for given, fits in {"float32": True, "float64": False, "int32": False, "int64": False, "uint8": True,
                        "complex64": True, "bool": True}.items():  # fmt: skip
        array = np.zeros(4, given)
        RawKernel(source, "k")((1,), (1,), (array,))  # as CuPy does
        if fits:
            RawKernel(source, "k", check=True)((1,), (1,), (array,))
            continue
        with pytest.raises(ArgumentError, match=rf"points to float32, and an array of {given} is given"):
            RawKernel(source, "k", check=True)((1,), (1,), (array,))


STRUCTURE = """
struct Matrix {
    float* data;
    int rows, cols;
    const float* row_of(int r) const { return data + r * cols; }
};
struct Batch { Matrix a; double* out[2]; };
extern "C" __global__ void sums(Batch b, float* x, int more) {
    int r = threadIdx.x;
    double sum = 0;
    for (int c = 0; c < b.a.cols + more; c++)
        sum += b.a.row_of(r)[c] + x[0];
    b.out[r % 2][r / 2] = sum;
}
extern "C" __global__ void pick(const int* const* rows, int* out) {
    out[threadIdx.x] = rows[threadIdx.x][threadIdx.x];
}
"""
MATRIX = np.dtype([("data", np.uint64), ("rows", np.int32), ("cols", np.int32)], align=True)
BATCH = np.dtype([("a", MATRIX), ("out", np.uint64, 2)], align=True)


@pytest.mark.parametrize("check", [False, True])
def test_a_structure_may_hold_addresses_of_arrays_in_shared_memory(check):
    a = emulator.asarray(np.arange(24, dtype=np.float32).reshape(6, 4))
    outs = [emulator.zeros(3, np.float64) for _ in range(2)]
    batch = np.array(((a.ctypes.data, 6, 4), [out.ctypes.data for out in outs]), BATCH)[()]
    kernel = RawKernel(STRUCTURE, "sums", check=check)
    kernel((1,), (6,), (batch, a, 0))
    np.testing.assert_array_equal(np.stack(outs, 1).ravel(), a.sum(1))
    if check:
        assert not kernel.findings
        kernel((1,), (6,), (batch, np.zeros(1, np.float32), 1))
        [finding] = kernel.findings
        assert (finding.kind, finding.array, finding.line) == ("out of bounds", "b.a.data", 12)
        assert "b.a.data[24], which has shape (6, 4)" in finding.message


@pytest.mark.parametrize("check", [False, True])
def test_an_array_may_hold_addresses_of_others(check):
    rows = [emulator.asarray(np.arange(5, dtype=np.int32) * 10**k) for k in range(5)]
    table, out = np.array([row.ctypes.data for row in rows], np.uint64), np.zeros(5, np.int32)
    kernel = RawKernel(STRUCTURE, "pick", check=check)
    kernel((1,), (5,), (table, out))
    assert out.tolist() == [0, 10, 200, 3000, 40000]
    if check:
        assert not kernel.findings
        own = np.arange(5, dtype=np.int32)  # no array of the emulator's
        table[3] = own.ctypes.data
        kernel((1,), (5,), (table, out))
        assert {finding.kind for finding in kernel.findings} == {"out of bounds"}


def test_a_structure_of_another_size_is_told_how_to_be_aligned():
    loose = np.zeros((), np.dtype([("a", np.int32), ("data", np.uint64)]))[()]
    with pytest.raises(ArgumentError, match=r"32 bytes; the structure has 12.*align=True"):
        RawKernel(STRUCTURE, "sums")((1,), (1,), (loose, np.zeros(1, np.float32), 0))

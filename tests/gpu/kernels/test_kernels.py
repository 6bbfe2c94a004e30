"""Every kernel of the catalogue, on the emulator: against NumPy, and NumPy against PyTorch."""

from __future__ import annotations

import gc
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from teachgrad.errors import DTypeError, ShapeError
from teachgrad_gpu import emulator
from teachgrad_gpu.emulator import building
from teachgrad_gpu.kernels import FOLDER, Kernel, catalogue
from teachgrad_gpu.kernels.checking import check, difference, referred
from teachgrad_gpu.kernels.kernel import warps
from teachgrad_gpu.ladder import Checked

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")

QUICK = ("map", "reductions", "transpose", "philox")
"""The families that the fast tests run; each takes a second to compile."""


@pytest.fixture(autouse=True, scope="module")
def fresh_worker() -> Any:
    """Leave no process behind."""
    yield
    emulator.stop()


def kernels_and_dtypes() -> list[Any]:
    return [pytest.param(kernel, dtype, id=f"{kernel.name}-{dtype}",
                         marks=[] if kernel.family in QUICK and dtype == kernel.dtypes[0] else pytest.mark.slow)
            for kernel in catalogue.values() for dtype in kernel.dtypes]


@pytest.mark.parametrize(("kernel", "dtype"), kernels_and_dtypes())
def test_a_kernel_computes_what_its_reference_does(kernel: Kernel, dtype: str) -> None:
    for shape in kernel.shapes:
        example = kernel.example(np.random.default_rng(7), dtype, *shape)
        assert check(kernel, emulator, example) == [], shape


@pytest.mark.slow
@pytest.mark.parametrize("kernel", catalogue.values(), ids=lambda k: k.name)
def test_a_kernel_has_no_mistake_that_checking_finds(kernel: Kernel) -> None:
    for shape in kernel.shapes:
        device = Checked()  # one that makes its kernel anew, so that the findings are of this launch
        example = kernel.example(np.random.default_rng(9), kernel.dtypes[0], *shape)
        assert check(kernel, device, example) == []
        assert device.made.findings == (), shape


@pytest.mark.oracles
@pytest.mark.parametrize("kernel", [k for k in catalogue.values() if k.family != "philox"], ids=lambda k: k.name)
def test_the_reference_computes_what_pytorch_does(kernel: Kernel) -> None:
    import torch

    from benchmarks.gpu.torch_side import ANSWERS

    dtype = kernel.dtypes[-1]
    for shape in kernel.shapes:
        example = kernel.example(np.random.default_rng(8), dtype, *shape)
        answers = ANSWERS[kernel.name](*map(torch.from_numpy, example.arrays), **example.settings)
        expected = [referred(kernel, example)[i] for i in kernel.outputs]
        for i, answer, array in zip(kernel.outputs, answers, expected, strict=True):
            if answer is not None:
                units = 2e4 if answer.dtype == torch.float16 else 64 * kernel.tolerance * max(10, array.size**0.5)
                found = answer.numpy().astype(array.dtype)
                apart = difference(kernel.pointers[i].name, found, array, units)
                assert apart.largest <= apart.allowed + 1e-12, (shape, found, array)


def test_the_catalogue_has_every_kernel_of_every_file() -> None:
    kernel = re.compile(r"__global__ void(?:\s+__launch_bounds__\([^)]*\))?\s+(\w+)\(")
    written = {name for file in FOLDER.glob("*.cu") for name in kernel.findall(file.read_text("utf-8"))}
    assert written == set(catalogue)


@pytest.mark.parametrize("kernel", catalogue.values(), ids=lambda k: k.name)
def test_a_kernel_is_explained(kernel: Kernel) -> None:
    assert len(kernel.doc) > 30
    assert kernel.source.splitlines()[kernel.line - 1].find(kernel.name) >= 0
    assert kernel.outputs
    assert all(len(line) <= 120 for line in kernel.source.splitlines())


@pytest.mark.parametrize("name", ["matmul_naive", "matmul_tiled", "matmul_registers"])
@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(True, False), (False, True), (True, True)])
@pytest.mark.slow
def test_products_of_transposed_and_of_many_matrices(name: str, transpose_a: bool, transpose_b: bool) -> None:
    rng = np.random.default_rng(0)
    A = rng.standard_normal((3, 33, 21) if transpose_a else (3, 21, 33)).astype("f4")
    B = rng.standard_normal((17, 33) if transpose_b else (33, 17)).astype("f4")
    C = np.full((3, 21, 17), np.nan, "f4")
    catalogue[name].launch(emulator, A, B, C, transpose_a=transpose_a, transpose_b=transpose_b)
    expected = (A.mT if transpose_a else A) @ (B.T if transpose_b else B)
    np.testing.assert_allclose(C, expected, atol=1e-5)


def test_softmax_of_infinities_and_nan_is_that_of_numpy() -> None:
    low = -np.inf
    x = np.array([[0, low, 1], [low, 0, 1], [low, low, low], [np.nan, 0, 1], [1, np.nan, 0], [low, 1, np.nan],
                  [np.inf, 0, 1]], "f4")
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.exp(x - x.max(1, keepdims=True))
        expected /= expected.sum(1, keepdims=True)
        logarithms = np.log(expected)
    for name in ("softmax_naive", "softmax_shared", "softmax_shuffled", "softmax_online", "softmax_registers",
                 "log_softmax"):
        z = np.zeros_like(x)
        catalogue[name].launch(emulator, x, z)
        np.testing.assert_allclose(z, logarithms if name == "log_softmax" else expected, rtol=1e-6, err_msg=name)
    loss, log_sums = np.zeros(7, "f4"), np.zeros(7, "f4")
    catalogue["cross_entropy"].launch(emulator, x, np.full(7, 2), loss, log_sums)
    np.testing.assert_allclose(loss, -logarithms[:, 2], rtol=1e-6)


def test_a_label_that_is_no_class_gives_nan() -> None:
    x, labels, loss, log_sums = np.zeros((2, 3), "f4"), np.array([3, -1]), np.zeros(2, "f4"), np.zeros(2, "f4")
    catalogue["cross_entropy"].launch(emulator, x, labels, loss, log_sums)
    assert np.isnan(loss).all()


def test_the_sum_by_the_last_block_has_the_same_bits_every_time() -> None:
    x, parts = np.random.default_rng(0).standard_normal(5000).astype("f4"), np.zeros(9, "f4")
    arrived, results = np.zeros((), np.uint32), set()
    for seed in range(4):
        z = np.zeros((), "f4")
        shuffled = type("Shuffled", (), {"RawKernel": staticmethod(
            lambda *a, seed=seed: emulator.RawKernel(*a, seed=seed + 1))})
        catalogue["sum_last_block"].launch(shuffled, x, parts, arrived, z)
        results.add(z.tobytes())
        assert arrived == 0
    assert len(results) == 1


def test_random_bits_are_those_of_teachgrad() -> None:
    import teachgrad as tg

    tg.seed(2024)
    for draw in range(3):
        drawn = tg.random.uniform((37,), name="kernel test").numpy()
        site = next(s for s in tg.random.where() if s.label == "kernel test")
        cell, z = np.array([2024, site.number, draw], np.uint64), np.zeros(37, "f4")
        catalogue["philox_uniform"].launch(emulator, cell, z)
        assert z.tobytes() == drawn.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_of_all_lengths(dtype: str) -> None:
    """So many that all layers come up, second tries that fail, and the tail, and numbers across the end of a tile."""
    kernel, cell = catalogue["philox_normal"], np.array([9, 2, 7], np.uint64)
    z, expected = (np.full(300_000, np.nan, dtype) for _ in range(2))
    kernel.launch(emulator, cell, z, mean=0.0, std=1.0)
    kernel.reference(cell, expected, mean=0.0, std=1.0)
    assert z.tobytes() == expected.tobytes()
    assert sum(abs(expected) > 3.6542) > 40


@pytest.mark.parametrize("dtype", ["int64", "uint8", *(pytest.param(name, marks=pytest.mark.slow) for name in (
    "int8", "int16", "uint16", "int32", "uint32", "uint64"))])
def test_integers_of_all_types_and_ranges(dtype: str) -> None:
    kernel, info, rng = catalogue["philox_integers"], np.iinfo(dtype), np.random.default_rng(3)
    least, most = int(info.min), int(info.max) + 1
    ranges = [(0, 10), (least, most), (least + 1, most), (3, 4), (0, most // 2 + 5), (most - 100, most - 1),
              (least, least + min(2**32, most - least)), (least, least + min(2**32 + 1, most - least))]
    for low, high in ranges:
        cell = rng.integers(0, 2**63, 3, np.uint64)
        z, expected = np.zeros(3000, dtype), np.zeros(3000, dtype)
        kernel.launch(emulator, cell, z, low=low, high=high)
        kernel.reference(cell, expected, low=low, high=high)
        assert z.tobytes() == expected.tobytes(), (low, high)


def test_arrays_that_do_not_fit_are_refused() -> None:
    x = np.zeros((4, 6), "f4")
    with pytest.raises(ShapeError, match=r"z must have the shape \(6, 4\), not \(4, 6\)"):
        catalogue["transpose_naive"].launch(emulator, x, x.copy())
    with pytest.raises(ShapeError, match="x does not lie in memory row by row"):
        catalogue["transpose_naive"].launch(emulator, x.T, x)
    with pytest.raises(DTypeError, match="z is of float32 or float64, not float64, and others are float32"):
        catalogue["transpose_naive"].launch(emulator, x, np.zeros((6, 4)))
    with pytest.raises(DTypeError, match="x is of float32, not float64"):
        catalogue["gelu_vectorised"].launch(emulator, np.zeros(4), np.zeros(4))
    with pytest.raises(ShapeError, match=r"takes 2 arrays \(x, z\), not 1"):
        catalogue["gelu_vectorised"].launch(emulator, x)
    with pytest.raises(ShapeError, match="too many for a warp each"):
        warps(2**27)
    wide = np.broadcast_to(np.zeros(1, "f4"), (2**31,))
    with pytest.raises(ShapeError, match="x has 2147483648 elements; kernels count to"):
        catalogue["gelu_guarded"].check((SimpleNamespace(flags=x.flags, size=wide.size, dtype=wide.dtype), wide))
    tall = np.broadcast_to(np.zeros(1, "f4"), (32 * 65536, 1))
    with pytest.raises(ShapeError, match=r"a grid of \(1, 65536\) blocks is larger"):
        catalogue["transpose_naive"].launch(emulator, *(SimpleNamespace(
            flags=x.flags, size=tall.size, dtype=tall.dtype, shape=shape) for shape in (tall.shape, tall.shape[::-1])))
    with pytest.raises(ShapeError, match="3 columns meet 2 rows"):
        catalogue["matmul_naive"].launch(emulator, np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3)))


def test_arrays_that_begin_within_a_wide_load_are_refused() -> None:
    x, shared = np.arange(9, dtype="f4"), emulator.zeros(9, "f4")
    for array in (x, shared):
        catalogue["copy_vectorised"].launch(emulator, x[4:], array[4:])
        with pytest.raises(ShapeError, match="moves 4 numbers at once, and z does not begin at a multiple of 16 bytes"):
            catalogue["copy_vectorised"].launch(emulator, x[4:], array[3:8])
    assert shared[4:].tolist() == [4, 5, 6, 7, 8]
    on_device = SimpleNamespace(flags=x.flags, size=8, dtype=x.dtype, itemsize=4, data=SimpleNamespace(ptr=24))
    with pytest.raises(ShapeError, match="x does not begin"):
        catalogue["gelu_vectorised"].check((on_device, x))


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(1, 3, 4), (5, 6, 8), (2, 4, 3), (3, 2, 2)])
def test_wide_loads_of_many_small_matrices(sizes: tuple[int, int, int]) -> None:
    m, n, k = sizes
    rng, device = np.random.default_rng(0), Checked()
    A, B, C = rng.standard_normal((3, m, k)).astype("f4"), rng.standard_normal((3, k, n)).astype("f4"), np.zeros(
        (3, m, n), "f4")
    catalogue["matmul_vectorised"].launch(device, A, B, C)
    assert device.made.findings == ()
    np.testing.assert_allclose(C, A @ B, atol=1e-5)


def test_windows_that_see_padding_alone() -> None:
    x, z, places = np.ones((1, 2, 2, 1), "f4"), np.zeros((1, 4, 4, 1), "f4"), np.zeros((1, 4, 4, 1), "i4")
    setting = {"kernel": (1, 1), "stride": (1, 1), "padding": (1, 1)}
    catalogue["max_pool"].launch(emulator, x, z, places, **setting)
    inside = np.zeros((4, 4), bool)
    inside[1:3, 1:3] = True
    assert np.array_equal(z[0, :, :, 0], np.where(inside, 1, -np.inf))
    assert np.array_equal(places[0, :, :, 0] >= 0, inside)
    for name in ("max_pool_backward", "max_pool_backward_gather"):
        device, gx = Checked(), np.zeros_like(x)
        catalogue[name].launch(device, np.full_like(z, 2), places, gx, **setting)
        assert device.made.findings == ()
        assert gx.ravel().tolist() == [2, 2, 2, 2]


def test_the_loss_of_large_scores_keeps_its_digits() -> None:
    x = np.array([[1e5, 1e5 + 1, 1e5 - 2], [1e30, 1e30, 1e30]], "f4")
    loss, log_sums = np.zeros(2, "f4"), np.zeros(2, "f4")
    catalogue["cross_entropy"].launch(emulator, x, np.array([0, 2]), loss, log_sums)
    np.testing.assert_allclose(loss, [np.log(1 + np.e + np.exp(-2)), np.log(3)], rtol=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("kernel", catalogue.values(), ids=lambda k: k.name)
def test_a_kernel_computes_on_a_gpu_what_its_reference_does(kernel: Kernel) -> None:
    import cupy

    for dtype in kernel.dtypes:
        for shape in kernel.shapes:
            example = kernel.example(np.random.default_rng(7), dtype, *shape)
            assert check(kernel, cupy, example) == [], (dtype, shape)


def test_no_elements_are_no_launch() -> None:
    z = np.zeros((0,), "f4")
    catalogue["gelu_guarded"].launch(emulator, np.zeros((0,), "f4"), z)
    total = np.ones(3, "f4")
    catalogue["column_sum"].launch(emulator, np.zeros((0, 3), "f4"), total)
    assert total.tolist() == [0, 0, 0]


def test_a_device_that_is_gone_leaves_no_compiled_kernels():
    class Device:
        def RawKernel(self, source, name, options):
            return name, options

    device, kernel = Device(), next(iter(catalogue.values()))
    before = len(kernel._compiled)
    assert kernel.compiled(device, ("-DX",)) is kernel.compiled(device, ("-DX",))
    assert kernel.compiled(device) == (kernel.name, ())
    assert len(kernel._compiled) == before + 1
    del device
    gc.collect()
    assert len(kernel._compiled) == before

"""Fused kernels as a real GPU wants them: fours of neighbours, rows in registers, sums by many blocks. All are checked
for races and accesses out of bounds while they run, and must have the same bits in each run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F
from teachgrad_gpu.compiling import compile_cuda, compilers
from teachgrad_gpu.emulator.building import compiler
from teachgrad_gpu.executors.emulated import Emulated

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


def checked(function: Callable[..., Any], arrays: list[Any], monkeypatch: Any, rtol: float = 2e-6) -> Any:
    """Run a function as generated CUDA, compare it with dynamic mode, and return the compiled function."""
    monkeypatch.setattr(Emulated, "check", True)
    want = function(*map(tg.tensor, arrays))
    step = tg.static(function, level="O3", executor="emulated")
    got, again = step(*map(tg.tensor, arrays)), step(*map(tg.tensor, arrays))
    for g, a, w in zip(got, again, want, strict=True):
        assert g.numpy().tobytes() == a.numpy().tobytes(), "the same bits in each run"
        tolerance = rtol * np.abs(w.numpy()).max() if w.dtype.kind == "f" else 0
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=rtol, atol=tolerance)
    assert step.trace.program.launcher.findings == []
    if compilers():
        assert not any(r.spilled for r in compile_cuda(step.source, "sm_75").resources)
    return step


def random(*shape: int, dtype: str = "float32") -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("rest", [0, 1, 3])
def test_four_neighbours_a_thread_and_fewer_at_the_end(rest: int, monkeypatch: Any) -> None:
    monkeypatch.setattr("teachgrad_gpu.generating.loops.MANY", 1)
    n = 2052 + rest

    def maps(x: Any, y: Any, k: Any) -> Any:
        return [tg.tanh(x * y + 1.0) * F.sigmoid(x), k // 3 + 1, x > y, y.astype("float64").exp()]

    step = checked(maps, [random(n), random(n) + 1, np.arange(n)], monkeypatch)
    assert "get_four(" in step.source
    assert ("const int count = min(4, " in step.source) == (rest > 0)


def test_broadcasting_by_fours(monkeypatch: Any) -> None:
    monkeypatch.setattr("teachgrad_gpu.generating.loops.MANY", 1)

    def maps(x: Any, row: Any, column: Any) -> Any:
        return [F.gelu(x + row), x * column, (x[1:] + row) * 2.0]

    step = checked(maps, [random(6, 40), random(40), random(6, 1)], monkeypatch)
    assert step.source.count("for (int e = 0; e < 4; e++) {") == 2, "the first two are one kernel"
    odd = checked(maps, [random(6, 41), random(41), random(6, 1)], monkeypatch)
    assert "e < 4; e++) {" not in odd.source, "rows of 41 do not all begin at a multiple of four numbers"


def test_neighbours_that_do_not_begin_at_a_multiple_of_four(monkeypatch: Any) -> None:
    monkeypatch.setattr("teachgrad_gpu.generating.loops.MANY", 1)
    near = checked(lambda x: [x[1:1601] * x[4:1604]], [random(1700)], monkeypatch)
    far = checked(lambda x: [x[8:1608] * x[4:1604]], [random(1700)], monkeypatch)
    assert "get_four(" not in near.source
    assert "get_four(" in far.source


def rows(axis: int) -> Callable[..., Any]:
    """Sums in one, two and three phases, some of whose lines are results themselves."""
    def of(x: Any) -> Any:
        e = (x - x.max(axis, keepdims=True)).exp()
        centred = x - x.mean(axis, keepdims=True)
        return [(x * x).sum(axis), e / e.sum(axis, keepdims=True), e * 2.0,
                centred / ((centred * centred).mean(axis, keepdims=True) + 1e-5).sqrt()]

    return of


LENGTHS = [5, 9, 31, 100, 128, 132, 513, 600, 1031, 2052]


@pytest.mark.parametrize("n", [n if n in (132, 600) else pytest.param(n, marks=pytest.mark.slow) for n in LENGTHS])
def test_rows_and_columns(n: int, monkeypatch: Any) -> None:
    along = checked(rows(1), [random(5, n)], monkeypatch)
    checked(rows(0), [random(n, 37)], monkeypatch)
    checked(rows(1), [random(2, n, 3, dtype="float64")], monkeypatch)
    if n > 8:
        assert "float input0_ij[" in along.source, "a row is read once, into registers"


@pytest.mark.slow
def test_rows_that_registers_have_no_room_for(monkeypatch: Any) -> None:
    monkeypatch.setattr("teachgrad_gpu.generating.nests.KEPT", 1)
    checked(rows(1), [random(3, 600)], monkeypatch)
    checked(rows(1), [random(3, 601)], monkeypatch)
    checked(rows(0), [random(600, 33)], monkeypatch)


@pytest.mark.parametrize("shape", [pytest.param((1, 4096), marks=pytest.mark.slow), (2, 4099), (3, 1028)])
def test_sums_in_parts(shape: tuple[int, int], monkeypatch: Any) -> None:
    """Several blocks sum a row, or a column, and the next kernel puts together what they have."""
    monkeypatch.setattr("teachgrad_gpu.generating.nests.PART", 256)
    monkeypatch.setattr("teachgrad_gpu.generating.nests.WORTH", 1)
    monkeypatch.setattr("teachgrad_gpu.generating.nests.BUSY", 12)

    def sums(x: Any, y: Any) -> Any:
        scale = x.sum(1) / y.sum()
        return [(x * x).sum(), ((x + y) ** 2.0).sum(1) * scale + y.max(1), x.T.max(0),
                (x.T * 2.0).T.sum(1, keepdims=True)]

    step = checked(sums, [random(*shape), random(*shape) + 3], monkeypatch, rtol=2e-5)
    assert "_parts<<<" in step.source
    checked(lambda x: [x.sum(0), (x * x).max(0) + 1.0], [random(2000, shape[0])], monkeypatch, rtol=2e-5)


def test_a_device_is_busy_with_one_sum(monkeypatch: Any) -> None:
    step = checked(lambda x: [x.sum(), x.sum(0)], [np.ones((1024, 128), np.float32)], monkeypatch)
    launches = {launch.name: launch.grid for s in step.trace.program.building.steps for launch in s.launches}
    assert launches["k1_sum_parts"] == (16,)
    assert launches["k3_sum_parts"] == (4 * 16,), "4 blocks for 128 columns, and 16 parts of the rows"
    few = checked(lambda x: [x.sum(), x.sum(0)], [np.ones((1023, 128), np.float32)], monkeypatch)
    assert "_parts" not in few.source, "one kernel is faster"


def test_numbers_that_only_count_are_not_read(monkeypatch: Any) -> None:
    x, labels = random(8, 600), np.array([3, 0, 599, 7, 7, -100, 130, 2])
    step = checked(lambda x, t: [F.cross_entropy(x, t)], [x, labels], monkeypatch)
    assert "const int32_t *__restrict__ c_" not in step.source
    assert "const bool equal = (int32_t)(j) ==" in step.source


def test_indices_of_64_bits_with_fewer_neighbours_at_the_end(monkeypatch: Any) -> None:
    """CUDA has no least of an int and an int64_t."""
    monkeypatch.setattr("teachgrad_gpu.generating.nests.LARGEST", 0)
    monkeypatch.setattr("teachgrad_gpu.generating.loops.MANY", 1)
    step = checked(lambda x: [x * 2.0 + 1.0], [random(2051)], monkeypatch)
    assert "const int64_t i = 4 *" in step.source
    assert ", count);" in step.source


@pytest.mark.slow
def test_indices_of_64_bits(monkeypatch: Any) -> None:
    monkeypatch.setattr("teachgrad_gpu.generating.nests.LARGEST", 0)
    monkeypatch.setattr("teachgrad_gpu.generating.nests.PART", 256)
    monkeypatch.setattr("teachgrad_gpu.generating.nests.WORTH", 1)
    monkeypatch.setattr("teachgrad_gpu.generating.loops.MANY", 1)

    def all_kinds(x: Any) -> Any:
        return [x.exp(), (x + x[0]).tanh(), x.sum(), x.sum(0), x.sum(1), F.softmax(x, 1), F.softmax(x, 0)]

    for shape in ((40, 132), (35, 1601)):
        step = checked(all_kinds, [random(*shape)], monkeypatch, rtol=2e-5)
        assert "const int64_t i = (int64_t)blockIdx.x" in step.source


def test_updates_in_place_by_fours(monkeypatch: Any) -> None:
    monkeypatch.setattr("teachgrad_gpu.generating.loops.MANY", 1)
    monkeypatch.setattr(Emulated, "check", True)
    w = tg.tensor(random(50, 36))

    def step(x: Any) -> Any:
        w.copy_(w - 0.5 * (w * x))
        return x.sum()

    x = random(50, 36)
    expected = w.numpy(copy=True)
    run = tg.static(step, level="O3", executor="emulated")
    for _ in range(3):
        run(tg.tensor(x))
        expected = expected - 0.5 * (expected * x)
    np.testing.assert_allclose(w.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert "get_four(" in run.source
    assert run.trace.program.building.direct, "the new numbers are written straight over the old ones"
    assert run.trace.program.launcher.findings == []


@pytest.mark.parametrize(("shape", "axis"), [((3, 45), 1), ((3, 140), 1), ((45, 20), 0)])
def test_no_thread_reads_what_another_writes_in_place(shape: tuple[int, ...], axis: int, monkeypatch: Any) -> None:
    """Threads without an element of their own go along with others: they may not load what these overwrite."""
    monkeypatch.setattr(Emulated, "check", True)
    start = np.random.default_rng(0).normal(size=shape)
    w = tg.tensor(start)

    def norm(x: Any) -> None:
        y = tg.tanh(x)
        w.__isub__(y / (y * y).sum(axis=axis, keepdims=True))

    step = tg.static(norm, level="O3", executor="emulated")
    x = start + 1.0
    y = np.tanh(x)
    step(tg.tensor(x))
    assert step.trace.program.launcher.findings == []
    assert "of its row" in step.source
    np.testing.assert_allclose(w.numpy(), start - y / (y * y).sum(axis=axis, keepdims=True), rtol=1e-12)

"""Loops and branches in static CUDA: bodies run on the device, and only what decides is read back."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.control.body import Control
from teachgrad.nn import functional as F
from teachgrad_gpu.compiling import compile_cuda, compilers
from teachgrad_gpu.emulator.building import compiler
from teachgrad_gpu.executors import turns
from teachgrad_gpu.executors.cupy import Batch
from teachgrad_gpu.executors.emulated import Emulated
from tests.gpu.fake import FakeGpu
from tests.gpu.strict import StrictArray
from tests.gpu.test_generated_cuda import building_of
from tests.static.c.test_control import close, lstm, numbers, recurrent, sequence
from tests.static.outcomes import plainly
from tests.static.test_control import CONTROL, random_loop

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

EMULATED = {"level": "O3", "executor": "emulated"}
NAMES = [name for name, (_, code) in CONTROL.items() if code is None]
QUICK = {"dropout order 1 length 5", "scan_in_scan order 1 length 5", "branch_in_scan order 1 length 5",
         "random_branch order 1 length 5", "while_in_scan order 1 length 5", "while_that_draws order 1 length 5",
         "branch -1.0 order 1 length 5", "carries_that_change_places order 1 length 5"}
"""The scenarios of the fast tests; every fourth of the others is slow."""


def without_warning(f: Any, *arguments: Any) -> Any:
    """A call that computes nothing with the array library."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return f(*arguments)


def all_on_the_device(f: Any) -> bool:
    """Whether the graph that ran last has loops, and no op of it or of a body is left to the array library."""
    building = f.trace.program.building
    controls = [v for v in f.graph.order if isinstance(v.op, Control)]
    return bool(controls) and {v.id for v in controls} == set(building.loops) and not building.without_kernel


@pytest.mark.parametrize("name", [
    *sorted(QUICK), *(pytest.param(name, marks=pytest.mark.slow) for name in sorted({*NAMES} - QUICK)[::4])])
def test_the_numbers_of_dynamic_mode(name: str) -> None:
    answers = []
    for run in (plainly, tg.static(**EMULATED)):
        tg.seed(7)
        answers.append(without_warning(lambda run=run: numbers(CONTROL[name][0](run))))
    close(*answers[::-1])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 2, 3, 5])
@pytest.mark.filterwarnings("ignore:There is no CUDA kernel for write_view")
def test_random_loops(seed: int) -> None:
    step, arguments = random_loop(seed)
    close(tg.static(step, **EMULATED)(*arguments), step(*arguments))


@pytest.mark.parametrize("step", [recurrent, pytest.param(lstm, marks=pytest.mark.slow)])
def test_a_recurrent_step_and_its_gradient(step: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(Emulated, "check", True)
    f = tg.static(step, **EMULATED)
    close(f(*sequence()), step(*sequence()))
    assert all_on_the_device(f)
    assert len(f.trace.program.batches) == 1, "all turns are launched in one piece with what comes before and after"
    assert f.trace.program.launcher.findings == []
    source = tg.source(f)
    assert "scan, 7 times:" in source
    assert "scan, 6 times, from the last row to the first:" in source


@pytest.mark.filterwarnings("ignore:There is no CUDA kernel for")
def test_a_graph_as_it_was_traced() -> None:
    """Without rewriting, a result may be taken out of a loop more than once."""
    f = tg.static(recurrent, level="O0", executor="emulated")
    close(f(*sequence()), recurrent(*sequence()))
    assert any(loop.again for loop in f.trace.program.building.loops.values())


def test_a_long_loop_is_launched_in_pieces(monkeypatch: Any) -> None:
    monkeypatch.setattr(turns, "MOST", 50)
    f = tg.static(recurrent, **EMULATED)
    close(f(*sequence(60)), recurrent(*sequence(60)))
    assert len(f.trace.program.batches) > 5


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_sequences_that_do_not_lie_in_order(order: tuple[int, ...]) -> None:
    """Rows whose first elements lie anywhere, too: kernels may ask for more than that."""
    def f(x: Any) -> Any:
        turned = tg.permute_dims(x, order)
        return tg.scan(lambda c, row: (c + row.sum(), row * c), tg.zeros(()), turned[1:])

    x = tg.tensor(np.random.default_rng(1).normal(size=(4, 5, 6)), dtype="float32")
    fast = tg.static(f, **EMULATED)
    close(fast(x), f(x))
    assert all_on_the_device(fast)


@pytest.mark.parametrize("start", [0.0, 3.0, 100.0])
def test_while_loops_and_branches(start: float) -> None:
    def f(x: Any) -> Any:
        n, y = tg.while_loop(lambda n, y: y.sum() < 50.0, lambda n, y: (n + 1, y * 1.5 + 1.0), (tg.tensor(0), x),
                             max_steps=20)
        return n, tg.cond(y[0] > 60.0, lambda z: (z * 2.0, z.sum()), lambda z: (z - 1.0, z.max()), y)

    x = tg.tensor([start, 1.0, 2.0])
    fast = tg.static(f, **EMULATED)
    close(fast(x), f(x))
    assert all_on_the_device(fast)


def gradient_of_while(x: Any, w: Any) -> Any:
    y = tg.while_loop(lambda y: y.sum() < 50.0, lambda y: (y * w + 1.0,), (x,), max_steps=20)[0]
    loss = (y * y).sum()
    return loss, *tg.grad(loss, [x, w])


@pytest.mark.parametrize("start", [0.5, 30.0, 100.0])
def test_the_gradient_of_a_while_loop(start: float) -> None:
    """No step at all leaves the gradient as it came; a weight that no step used gets none."""
    x = tg.tensor([start, 1.0], requires_grad=True)
    w = tg.tensor([1.5, 1.2], requires_grad=True)
    fast = tg.static(gradient_of_while, **EMULATED)
    close(fast(x, w), tg.static(gradient_of_while, level="O1")(x, w))
    assert all_on_the_device(fast)
    assert np.signbit(fast(x, w)[2].numpy()).all() == (start == 100.0), "-0.0 is what changes no sum"


@pytest.mark.filterwarnings("ignore:There is no CUDA kernel for inv")
def test_an_op_without_a_kernel_in_a_body() -> None:
    def f(x: Any) -> Any:
        return tg.scan(lambda c, row: (tg.linalg.inv(c + row), c * 2.0), tg.tensor(np.eye(3)), x)

    x = tg.tensor(np.random.default_rng(1).normal(size=(4, 3, 3)))
    fast = tg.static(f, **EMULATED)
    close(fast(x), f(x))
    assert "inv = inv(add) by the array library" in tg.source(fast)


def halves(x: Any) -> Any:
    h, ys = tg.scan(lambda h, row: (h * 0.5 + row, row[:0]), x[0], x)
    return h, ys, tg.cond(h.sum() > 0.0, lambda h: h * 2.0, lambda h: h - 1.0, h)


@pytest.mark.filterwarnings("ignore:There is no CUDA kernel for")
def test_what_has_no_type_in_cuda_or_no_elements_is_handed_on() -> None:
    x = tg.tensor(np.random.default_rng(1).normal(size=(5, 7)), dtype="float16")
    fast = tg.static(halves, **EMULATED)
    for got, want in zip(fast(x), halves(x), strict=True):
        assert got.numpy().tobytes() == want.numpy().tobytes()
    assert all(v.id in fast.trace.program.building.loops for v in fast.graph.order if isinstance(v.op, Control))


def test_an_error_in_a_step_is_that_of_dynamic_mode() -> None:
    """And a while loop that would never end with what a kernel has refused ends."""
    table = tg.tensor(np.arange(12, dtype=np.float32).reshape(4, 3), name="table")
    seen = tg.zeros((3,))

    def scanned(rows: Any) -> Any:
        total = tg.scan(lambda c, k: (c + F.embedding(k, table), None), tg.zeros((3,)), rows)[0]
        seen.copy_(total)
        return total

    def repeated(rows: Any) -> Any:
        _, total = tg.while_loop(lambda n, c: n < 3, lambda n, c: (n * 0, c + F.embedding(rows[1], table)),
                                 (tg.tensor(0), tg.zeros((3,))))
        return total

    fast = tg.static(scanned, **EMULATED)
    close(fast(tg.tensor([1, 2])), scanned(tg.tensor([1, 2])))
    before = seen.numpy().copy()
    for f in (fast, tg.static(repeated, **EMULATED)):
        with pytest.raises(IndexError, match="7"):
            f(tg.tensor([1, 7]))
    np.testing.assert_array_equal(seen.numpy(), before)


@pytest.mark.skipif(not compilers(), reason="needs NVRTC or nvcc")
@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
def test_bodies_are_cuda(architecture: str, monkeypatch: Any) -> None:
    def f(x: Any, w: Any, u: Any) -> Any:
        start = tg.tensor([30.0, 1.0], requires_grad=True)
        return lstm(x, w, u), gradient_of_while(start, w[0, :2] * 0.0 + 1.5)

    compile_cuda(building_of(f, sequence(), monkeypatch).code, architecture)


# ---- on the stand-in for CuPy ----------------------------------------------------------------------------------------

def on_gpu(arguments: Any) -> Any:
    return [tg.tensor(x.numpy(), requires_grad=x.requires_grad, device="gpu") for x in arguments]


@pytest.fixture
def asked(monkeypatch: Any) -> list[int]:
    """The numbers of elements that were read back from the device."""
    found: list[int] = []
    for name in ("get", "item", "tolist"):
        kept = getattr(StrictArray, name)
        monkeypatch.setattr(StrictArray, name, lambda self, *args, kept=kept: (
            found.append(self.size), kept(self, *args))[1])
    return found


def test_a_recurrent_step_is_captured_whole(gpu: FakeGpu, asked: list[int]) -> None:
    def noisy(x: Any, w: Any, u: Any) -> Any:
        h, ys = tg.scan(lambda h, row: (F.dropout(tg.tanh(row @ u + h @ w), 0.5), h[:1]), tg.zeros((3, 4)), x)
        loss = h.sum() + ys.mean()
        return loss, *tg.grad(loss, [w, u])

    arguments = on_gpu(sequence())
    f = tg.static(noisy, level="O3", executor="cupy")
    tg.seed(1)
    gpu.moves.clear()
    answers = [f(*arguments) for _ in range(4)]
    assert asked == [], "not even where the random bits of seven turns are"
    assert gpu.moves == []
    tg.seed(1)
    for got in answers:
        close([z.to("cpu") for z in got], noisy(*sequence()))
    (batch,) = f.trace.program.batches
    assert isinstance(batch, Batch)
    assert batch.graph.count == len(batch.calls) > 50
    assert any(call.copies for call in batch.calls)


@pytest.mark.filterwarnings("ignore:There is no CUDA kernel for")
def test_bits_of_a_scan_as_it_was_traced_are_counted(gpu: FakeGpu, asked: list[int]) -> None:
    """Twice in each turn, once outside."""
    def noisy(x: Any) -> Any:
        x = x + tg.random.uniform((3,), name="noise")
        return tg.scan(lambda h, row: (sum([tg.random.uniform((3,), name="noise") for _ in range(2)], h + row), None),
                       x[0], x)[0]

    f = tg.static(noisy, level="O0", executor="cupy")
    tg.seed(1)
    answers = [f(tg.ones((4, 3), device="gpu")) for _ in range(3)]
    assert asked == []
    tg.seed(1)
    for got in answers:
        close(got.to("cpu"), noisy(tg.ones((4, 3))))


def test_only_what_decides_is_read_back(gpu: FakeGpu, asked: list[int]) -> None:
    def f(x: Any, w: Any) -> Any:
        loss, *gradients = gradient_of_while(x, w)
        return loss, *gradients, tg.cond(loss > 1.0, lambda x: x * 2.0, lambda x: x + 1.0, x)

    arguments = [tg.tensor([0.5, 1.0], requires_grad=True), tg.tensor([1.5, 1.2], requires_grad=True)]
    there = on_gpu(arguments)
    want = tg.static(f, level="O1")(*arguments)
    turns_made = 0
    y = arguments[0].numpy()
    while y.sum() < 50.0:
        y, turns_made = y * arguments[1].numpy() + 1.0, turns_made + 1
    fast = tg.static(f, level="O3", executor="cupy")
    for _ in range(3):
        asked.clear()
        got = fast(*there)
        assert asked == [1] * (turns_made + 1 + 1 + 1), "each turn, the last question, the number of turns, the branch"
        close([z.to("cpu") for z in got], want)
    assert any(batch.graph is not None for batch in fast.trace.program.batches)


@pytest.mark.filterwarnings("ignore:There is no CUDA kernel for")
def test_what_has_no_type_in_cuda_stays_on_the_gpu(gpu: FakeGpu) -> None:
    x = tg.tensor(np.random.default_rng(1).normal(size=(5, 7)), dtype="float16")
    fast, there = tg.static(halves, level="O3", executor="cupy"), x.to("gpu")
    gpu.moves.clear()
    for _ in range(3):
        for got, want in zip(fast(there), halves(x), strict=True):
            assert got.device == "gpu"
            assert gpu.moves == []
            assert got.to("cpu").numpy().tobytes() == want.numpy().tobytes()
            gpu.moves.clear()


def test_a_loop_is_one_line_of_a_profile(gpu: FakeGpu) -> None:
    f = tg.static(recurrent, level="O3", executor="cupy")
    arguments = on_gpu(sequence())
    f(*arguments)
    with tg.profile() as profile:
        f(*arguments)
    ((_, twin),) = profile.meter.programs.values()
    assert [kernel.name for kernel in twin.kernels].count("scan") == 3
    assert len(twin.ticks) == len(twin.kernels) + 1
    assert "scan" in str(profile)

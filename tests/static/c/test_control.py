"""Loops and branches as generated C: the numbers of dynamic mode, one function for all steps, NumPy where need be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.control.body import Control
from teachgrad.executors.c import compiler
from teachgrad.nn import functional as F
from teachgrad.op import Vertex
from tests.static.outcomes import plainly
from tests.static.test_control import CONTROL, random_loop

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")


def numbers(value: Any) -> list[Any]:
    """All arrays in a structure."""
    if isinstance(value, Vertex):
        return [value.numpy()]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple, Iterator)):
        return [array for item in value for array in numbers(item)]
    return [np.asarray(value)] if isinstance(value, (int, float, np.ndarray)) else []


def close(got: Any, want: Any) -> None:
    for a, b in zip(numbers(got), numbers(want), strict=True):
        bound = 1e-4 if b.dtype == np.float32 else 1e-10
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound * max(1.0, float(np.abs(b).max(initial=0.0))))


@pytest.mark.parametrize("name", [name for name, (_, code) in CONTROL.items() if code is None])
def test_the_numbers_of_dynamic_mode(name: str) -> None:
    scenario = CONTROL[name][0]
    answers = []
    for run in (plainly, tg.static(level="O3")):
        tg.seed(7)
        answers.append(numbers(scenario(run)))
    close(*answers[::-1])


@pytest.mark.parametrize("seed", range(6))
def test_random_loops(seed: int) -> None:
    step, arguments = random_loop(seed)
    close(tg.static(step, level="O3")(*arguments), step(*arguments))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(5))
def test_many_random_loops(block: int) -> None:
    for seed in range(6 + 12 * block, 18 + 12 * block):
        step, arguments = random_loop(seed)
        close(tg.static(step, level="O3")(*arguments), step(*arguments))


def loops(f: Any) -> list[tuple[str, bool]]:
    """The loops and branches of the graph that ran last, and whether each is C."""
    done = f.trace.program.building.loops
    return [(str(v.op), v.id in done) for v in f.graph.order if isinstance(v.op, Control)]


def recurrent(x: Any, w: Any, u: Any) -> Any:
    h, ys = tg.scan(lambda h, row: (tg.tanh(row @ u + h @ w),) * 2, tg.zeros((3, 4)), x)
    loss = (ys * ys).mean() + h.sum()
    return loss, *tg.grad(loss, [w, u])


def lstm(x: Any, w: Any, u: Any) -> Any:
    def body(carry: Any, row: Any) -> Any:
        h, c = carry
        i, f, g, o = (row @ (u * k) + h @ (w * k) for k in (1.0, 2.0, -1.0, 0.5))
        c = F.sigmoid(f) * c + F.sigmoid(i) * tg.tanh(g)
        return (tg.tanh(c) * F.sigmoid(o), c), c

    (h, c), ys = tg.scan(body, (tg.zeros((3, 4)), tg.ones((3, 4))), x)
    loss = (h * c).sum() + ys.mean()
    return loss, *tg.grad(loss, [w, u])


def sequence(steps: int = 7) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(steps)
    return (tg.tensor(rng.normal(size=(steps, 3, 5)).astype(np.float32)),
            tg.tensor(rng.normal(size=(4, 4)).astype(np.float32) * 0.4, requires_grad=True),
            tg.tensor(rng.normal(size=(5, 4)).astype(np.float32) * 0.4, requires_grad=True))


@pytest.mark.parametrize("step", [recurrent, lstm])
def test_a_recurrent_step_and_its_gradient_are_one_function(step: Any) -> None:
    f = tg.static(step, level="O3")
    close(f(*sequence()), step(*sequence()))
    assert loops(f) == [("scan", True)] * 3
    assert all(segment.is_c for segment in f.trace.program.building.segments)
    text = tg.source(f)
    assert "for (int64_t t = 0; t < 7; t++)" in text
    assert "for (int64_t t = 5; t >= 0; t--)" in text  # the last step goes back by itself
    assert len(f.trace.program.building.segments) == 1


@pytest.mark.parametrize("steps", [1, 2, 60])
def test_lengths(steps: int) -> None:
    f = tg.static(recurrent, level="O3")
    close(f(*sequence(steps)), recurrent(*sequence(steps)))


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_sequences_that_do_not_lie_in_order(order: tuple[int, ...]) -> None:
    def f(x: Any) -> Any:
        turned = tg.permute_dims(x, order)
        return tg.scan(lambda c, row: (c + row.sum(), row * c), tg.zeros(()), turned)

    x = tg.tensor(np.random.default_rng(1).normal(size=(4, 5, 6)), dtype="float32")
    fast = tg.static(f, level="O3")
    close(fast(x), f(x))
    assert loops(fast) == [("scan", True)]


def test_carries_that_change_places() -> None:
    def f(x: Any) -> Any:
        return tg.scan(lambda c, row: ((c[1], c[0] * row, c[2]), c[0]), (x[0], x[1], x[2]), x)

    x = tg.tensor(np.random.default_rng(1).normal(size=(5, 6)))
    fast = tg.static(f, level="O3")
    close(fast(x), f(x))
    assert loops(fast) == [("scan", True)]


@pytest.mark.parametrize("start", [0.0, 3.0, 100.0])
def test_while_loops_and_branches(start: float) -> None:
    def f(x: Any) -> Any:
        n, y = tg.while_loop(lambda n, y: y.sum() < 50.0, lambda n, y: (n + 1, y * 1.5 + 1.0), (tg.tensor(0), x),
                             max_steps=20)
        return n, tg.cond(y[0] > 60.0, lambda z: (z * 2.0, z.sum()), lambda z: (z - 1.0, z.max()), y)

    x = tg.tensor([start, 1.0, 2.0])
    fast = tg.static(f, level="O3")
    close(fast(x), f(x))
    assert loops(fast) == [("while_loop", True), ("cond", True)]
    assert all(segment.is_c for segment in fast.trace.program.building.segments)


def test_a_body_without_c_stays_with_numpy() -> None:
    def f(x: Any) -> Any:
        return tg.scan(lambda c, row: (c + 1.0, tg.sort(row * c)), tg.ones(()), x)

    x = tg.tensor(np.random.default_rng(1).normal(size=(4, 5)), dtype="float32")
    fast = tg.static(f, level="O3")
    close(fast(x), f(x))
    assert loops(fast) == [("scan", False)]


def test_an_error_in_a_step_is_that_of_dynamic_mode() -> None:
    table = tg.tensor(np.arange(12, dtype=np.float32).reshape(4, 3), name="table")
    seen = tg.zeros((3,))

    def f(rows: Any) -> Any:
        total = tg.scan(lambda c, k: (c + F.embedding(k, table), None), tg.zeros((3,)), rows)[0]
        seen.copy_(total)
        return total

    fast = tg.static(f, level="O3")
    close(fast(tg.tensor([1, 2])), f(tg.tensor([1, 2])))
    assert loops(fast) == [("scan", True)]
    before = seen.numpy().copy()
    with pytest.raises(IndexError, match="7"):
        fast(tg.tensor([1, 7]))
    np.testing.assert_array_equal(seen.numpy(), before)


@pytest.mark.parametrize("start", [0.5, 30.0, 100.0])
def test_the_gradient_of_a_while_loop(start: float) -> None:
    """No step at all leaves the gradient as it came; a weight that no step used gets none."""
    def f(x: Any, w: Any) -> Any:
        y = tg.while_loop(lambda y: y.sum() < 50.0, lambda y: (y * w + 1.0,), (x,), max_steps=20)[0]
        loss = (y * y).sum()
        return loss, *tg.grad(loss, [x, w])

    x = tg.tensor([start, 1.0], requires_grad=True)
    w = tg.tensor([1.5, 1.2], requires_grad=True)
    fast = tg.static(f, level="O3")
    with tg.mode("static"):
        got = fast(x, w)
    slow = tg.static(f, level="O1")(x, w)
    close(got, slow)
    assert loops(fast) == [("while_loop", True), ("while_gradient", True)]
    assert all(segment.is_c for segment in fast.trace.program.building.segments)

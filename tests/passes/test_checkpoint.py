"""`tg.checkpoint` in random programs: with it or without, in both modes, gradients of any order have the same bits."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import observe
from teachgrad.nn import functional as F

LEAVES, N = 3, 5


class Recipe:
    """What a program does, drawn once: blocks that may hold blocks, each a list of steps on a pool of tensors."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.order = int(self.rng.integers(1, 4))
        self.blocks = [self.block(2) for _ in range(self.rng.integers(1, 4))]
        self.tail = [int(k) for k in self.rng.integers(0, 6, self.order)]
        self.inputs = self.rng.normal(size=(LEAVES, N)).astype(np.float32)
        self.seed = seed

    def block(self, depth: int) -> list[tuple[Any, ...]]:
        steps: list[tuple[Any, ...]] = []
        for _ in range(self.rng.integers(2, 6)):
            what = self.rng.choice(["unary", "binary", "leaf", "dropout", "inplace", "view", "through view", "inner",
                                    "gradient"], p=[0.2, 0.2, 0.12, 0.08, 0.1, 0.06, 0.08, 0.12, 0.04])
            a, b = (int(k) for k in self.rng.integers(0, 100, 2))
            if what == "inner" and not depth:
                what = "unary"
            steps.append((what, a, b, self.block(depth - 1)) if what == "inner" else (what, a, b))
        return steps

    def run(self, wrap: bool, level: str | None = None) -> list[bytes]:
        """The bits of the gradients of the last order, and of all before."""
        tg.seed(self.seed)
        leaves = [tg.tensor(x, requires_grad=True) for x in self.inputs]

        def play(steps: list[tuple[Any, ...]], x: Any, y: Any) -> Any:
            pool = [x, y]
            for what, i, j, *inner in steps:
                a, b = pool[i % len(pool)], pool[j % len(pool)]
                if what == "unary":
                    pool.append((tg.tanh, tg.sin, F.sigmoid, tg.exp)[j % 4](a if j % 4 < 3 else tg.tanh(a)))
                elif what == "binary":
                    pool.append((a * b, a + b, a - b * 0.5)[(i + j) % 3])
                elif what == "leaf":
                    pool.append(a * leaves[j % LEAVES])
                elif what == "dropout":
                    pool.append(F.dropout(a, 0.3))
                elif what == "inplace":
                    c = tg.sin(a)
                    if j % 2:
                        pool.append(c - b * 0.5)
                    c += b
                    pool.append(c)
                elif what == "view":
                    pool.append(a[::-1] * b)
                elif what == "through view":
                    c = a * 1.5
                    part = c[1:3]
                    part += b[2:4]
                    pool += [c, tg.tanh(part).sum() * b]
                elif what == "inner":
                    pool += call(inner[0], a, b)
                else:
                    pool.append(tg.grad((tg.tanh(a) * b).sum(), a, create_graph=True) if a.requires_grad else a * 2.0)
            return tg.tanh(pool[-1]), pool[-2] * pool[-1]

        def call(steps: list[tuple[Any, ...]], x: Any, y: Any) -> Any:
            return tg.checkpoint(play, steps, x, y) if wrap else play(steps, x, y)

        def program() -> Any:
            x, y, results = leaves[0], leaves[1], []
            for steps in self.blocks:
                x, y = call(steps, x, y)
                results += [x, y]
            answers = []
            for tail in self.tail:
                k = tail % len(results)
                if tail == 5:
                    results[-1] += leaves[1]
                loss = (results[k] * results[-1 if tail % 2 else k]).sum()
                for g in answers[-LEAVES:]:
                    loss = loss + (g * g * results[(k + 1) % len(results)]).sum()
                targets = [*leaves, results[0]] if tail == 4 else leaves
                found = tg.grad(loss, targets, create_graph=True, allow_unused=True)
                answers += [tg.tanh(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=False)]
            return answers

        if level is not None:
            program = tg.static(program, level=level)
        return [g.numpy().tobytes() for g in program()]


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_gradients_of_any_order_have_the_bits_of_code_that_keeps_everything(seed: int) -> None:
    for number in range(seed, seed + 3):
        recipe = Recipe(number)
        assert recipe.run(True) == recipe.run(False)


@pytest.mark.parametrize("level", ["O0", "O1"])
@pytest.mark.parametrize("seed", [*range(6), *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 30)]])
def test_static_mode_has_them_too(seed: int, level: str) -> None:
    recipe = Recipe(seed)
    assert recipe.run(True, level) == recipe.run(False)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_nothing_is_left_of_what_was_computed_again(order: int) -> None:
    x = tg.tensor(np.random.default_rng(0).normal(size=1 << 16).astype(np.float32), requires_grad=True)

    def block(h: Any) -> Any:
        for _ in range(5):
            h = tg.tanh(h)
        return h, tg.checkpoint(lambda h: tg.sin(tg.tanh(h)), h)

    def gradient() -> None:
        a, b = tg.checkpoint(block, x)
        loss = (a * b).sum()
        for k in range(order):
            g = tg.grad(loss, x, create_graph=k < order - 1)
            loss = (g * g).sum()

    gradient()
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        gradient()
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
        gc.enable()


def second(f: Any, x: Any) -> list[bytes]:
    """The bits of first and second derivatives."""
    y = f(x)
    g, h = tg.grad((y * y).sum(), [x, y], create_graph=True)
    return [a.numpy().tobytes() for a in (g, h, tg.grad((g * g * y).sum(), x))]


def curve(h: Any) -> Any:
    return tg.exp(tg.tanh(h) * h) * tg.sin(h)


def leaf() -> Any:
    return tg.tensor([0.3, -0.7, 1.1], requires_grad=True)


def test_other_threads_may_make_tensors_meanwhile() -> None:
    done = threading.Event()

    def busy() -> None:
        while not done.is_set():
            tg.ones(3).sum()

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(20):
            assert second(lambda x: tg.checkpoint(curve, x), leaf()) == second(curve, leaf())
    finally:
        done.set()
        thread.join()


def test_code_that_keeps_something_from_its_first_run_has_right_gradients() -> None:
    """It makes fewer tensors when it runs again: ids of the first time would mean others."""
    kept: list[Any] = []

    def f(h: Any) -> Any:
        h = tg.tanh(h)
        if not kept:
            kept.append(tg.ones(3) * 2.0)
        return tg.exp(h * kept[0]) * h

    x = leaf()
    again = second(lambda x: tg.checkpoint(f, x), x)
    for a, b in zip(again, second(f, leaf()), strict=True):
        np.testing.assert_allclose(np.frombuffer(a, np.float32), np.frombuffer(b, np.float32), rtol=1e-5)


def test_a_tensor_that_it_did_not_use_the_first_time_is_refused() -> None:
    ws, y = [leaf(), leaf()], leaf()
    for w in ws:
        y = tg.checkpoint(lambda y: y * w, y)  # noqa: B023  (w is the last one when this runs again)
    with pytest.raises(tg.GradientError, match=r"now uses a tensor of shape \(3,\), which it did not use"):
        y.sum().backward()


def test_a_parameter_of_the_first_call_is_refused() -> None:
    made: list[Any] = []

    def lazy(h: Any) -> Any:
        if not made:
            made.append(leaf())
        return h * made[0]

    y = tg.checkpoint(lazy, leaf())
    with pytest.raises(tg.GradientError, match="call it once before"):
        y.sum().backward()
    tg.checkpoint(lazy, tg.ones(3)).sum().backward()
    assert made[0].grad.numpy().tolist() == [1.0, 1.0, 1.0]


def test_what_it_read_and_then_overwrote_is_gone_as_it_is_without_checkpoint() -> None:
    w, count = leaf(), tg.zeros(3)

    def f() -> Any:
        y = w * count
        with tg.no_grad():
            count.__iadd__(1.0)
        return y

    for y in (f(), tg.checkpoint(f)):
        with pytest.raises(tg.InplaceError, match="needs a value that was overwritten"):
            y.sum().backward()


def test_hooks_inside_and_outside_are_called_once_for_each_gradient() -> None:
    def called(wrap: bool) -> list[str]:
        seen: list[str] = []

        def f(h: Any) -> Any:
            h = curve(h)
            h.on_grad(lambda g: seen.append("inside"))
            return h

        x = leaf()
        y = tg.checkpoint(f, x) if wrap else f(x)
        y.on_grad(lambda g: seen.append("outside"))
        g = tg.grad((y * y).sum(), x, create_graph=True)
        tg.grad((g * y).sum(), x)
        return sorted(seen)

    assert called(True) == called(False) == ["inside", "inside", "outside", "outside"]


def test_a_gradient_inside_of_one_outside() -> None:
    def f(x: Any, call: Any) -> Any:
        y = call(curve, x)
        return call(lambda x: tg.sin(tg.grad((y * y).sum(), x, create_graph=True)) * x, x)

    assert (second(lambda x: f(x, tg.checkpoint), leaf())
            == second(lambda x: f(x, lambda function, x: function(x)), leaf()))


@pytest.mark.oracles("torch")
def test_third_derivatives_are_those_of_pytorch() -> None:
    import torch

    x = tg.tensor([0.3, -0.7, 1.1], dtype=tg.float64, requires_grad=True)
    t = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64, requires_grad=True)
    y = tg.checkpoint(lambda x: curve(tg.checkpoint(curve, x)), x)
    u = torch.exp(torch.tanh(t) * t) * torch.sin(t)
    u = torch.exp(torch.tanh(u) * u) * torch.sin(u)
    for _ in range(3):
        y, u = tg.grad(y.sum(), x, create_graph=True), torch.autograd.grad(u.sum(), t, create_graph=True)[0]
    np.testing.assert_allclose(y.numpy(), u.detach().numpy(), rtol=1e-9)


def test_a_recording_tells_the_gradients_inside_as_if_nothing_ran_again() -> None:
    def story(wrap: bool) -> list[Any]:
        events: list[Any] = []
        x = leaf()
        observe.sink = events.append
        try:
            y = tg.checkpoint(curve, x) if wrap else curve(x)
            (y * y).sum().backward()
        finally:
            observe.sink = None
        order = {number: place for place, number in enumerate(sorted({e.id for e in events if hasattr(e, "id")}))}
        return [(type(e).__name__, order[e.id]) if hasattr(e, "id")
                else (type(e).__name__, order[e.source], order[e.target]) for e in events]

    assert story(True) == story(False)


def test_a_static_function_inside_is_traced_once_and_takes_the_same_steps() -> None:
    @tg.static
    def inner(x: Any) -> Any:
        return tg.tanh(x) * x

    def f(x: Any) -> Any:
        return tg.exp(inner(x) * x)

    first = second(lambda x: tg.checkpoint(f, x), leaf())
    assert first == second(lambda x: tg.checkpoint(f, x), leaf()) == second(f, leaf())

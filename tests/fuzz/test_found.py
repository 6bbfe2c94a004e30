"""What random programs have found, one row for each error: at every level as in dynamic mode, and as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.executors.c import compiler
from teachgrad.nn import functional as F
from tests.fuzz.checking import writing_c

X = np.array([0.3, -0.5, 0.8])
FOUND: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
    # seeds 37 and 160: half of the gradient was lost in static mode
    "cond of an operand that its functions use, too": (
        lambda x: tg.cond(x.sum() > 0, lambda a: tg.sin(a + x), lambda a: a * x, x),
        lambda x: (x + x).sin() if x.sum() > 0 else x * x, (X,)),
    "cond of an operand that is given twice": (
        lambda x: tg.cond(x.sum() < 0, lambda a, b: tg.sin(a) * b, lambda a, b: a * b * b, x, x),
        lambda x: x.sin() * x if x.sum() < 0 else x * x * x, (X,)),
    # seeds 382, 1544 and 1571: reshape(-1) of rows without elements
    "linear without outputs": (
        lambda x, w, b: F.linear(x, w, b), lambda x, w, b: x @ w.mT + b, (X, np.ones((0, 3)), np.ones(0))),
    "linear without inputs": (
        lambda x, w, b: F.linear(x, w, b), lambda x, w, b: x @ w.mT + b,
        (np.ones((2, 3, 0)), np.ones((2, 0)), np.ones(2))),
    "a product of a stack without columns": (
        lambda x, y: x @ y, lambda x, y: x @ y, (np.ones((3, 1, 0, 1)), np.ones((1, 0)))),
    # seed 125: the gradient was refused, as needing a value that was overwritten
    "clamp_": (lambda x: (x * 1.0).clamp_(-0.4, 0.4), lambda x: (x * 1.0).clamp_(-0.4, 0.4), (X,)),
    "a power in place": (lambda x: overwritten(x, "**=", 3.5), lambda x: overwritten(x, "**=", 3.5), (abs(X),)),
    # the threads' first version: KeyError while C was written for a sum of single numbers
    "the sum of a single number": (lambda x: (x[:1].sum() * x[0]).reshape((1,)).sum(), lambda x: x[0] * x[0], (X,)),
    "the trace of a column": (lambda x: tg.linalg.trace(x), lambda x: x[0, 0] * 1.0, (np.ones((3, 1)),)),
    "a square in place": (lambda x: overwritten(x, "*="), lambda x: x * x, (X,)),
}


def test_a_view_of_shared_memory_that_was_overwritten_here() -> None:
    """Seed 5804: our own overwrite was taken for one by the other side, which happened too late."""
    shared = tg.from_dlpack(np.ones(3))
    x = tg.tensor(X, requires_grad=True)
    for factor in (1.0, 0.5):
        (g,) = tg.grad((x * shared.detach()).sum(), [x])
        np.testing.assert_array_equal(g.numpy(), [factor] * 3)
        shared *= 0.5


def test_what_a_checkpointed_loop_uses_may_be_overwritten_before() -> None:
    """Seed 7121: our own overwrite was noticed inside the loop, and taken for one that the loop makes."""
    shared = tg.from_dlpack(X.copy())
    xs = tg.tensor(np.ones((2, 3)), requires_grad=True)
    shared *= 0.5
    for _ in range(2):
        last, _ = tg.scan(lambda h, x: (tg.tanh(h * shared[:1] + x), h), shared, xs, checkpoint=True)
        tg.grad(last.sum(), [xs])
        shared.copy_(last.detach())


def test_a_view_of_shared_memory_that_was_overwritten_elsewhere() -> None:
    """Read after the overwrite, the view has the new values; read before, its gradient is refused."""
    array = np.ones(3)
    view = tg.from_dlpack(array)[:]
    x = tg.tensor(X, requires_grad=True)
    array *= 0.5
    early = (x * view).sum()
    np.testing.assert_array_equal(tg.grad(early, [x], retain_graph=True)[0].numpy(), [0.5] * 3)
    array *= 0.5
    with pytest.raises(tg.InplaceError, match="overwritten"):
        tg.grad(early, [x])


@pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
@pytest.mark.parametrize("function", [
    lambda x: tg.diff(x, axis=0),  # seed 8013: an element before the first one had a minus in its name
    lambda x: F.glu(x[:, :1], axis=0),  # seed 8316
    lambda x: x[::2] * tg.exp(x[::2]) + x[:2] * tg.exp(x[:2]),  # two places, one name
    lambda x: x * tg.exp(x) + x.mT * tg.exp(x.mT)])
def test_names_of_elements_in_generated_c(function: Callable[[Any], Any]) -> None:
    """C that did not compile was left to NumPy; strictly, it is an error."""
    x = tg.from_dlpack(np.random.default_rng(0).normal(size=(4, 4))[::-1])
    step = tg.static(function, level="O3")
    np.testing.assert_allclose(step(x).numpy(), function(x).numpy(), rtol=1e-12)
    assert type(step.trace.program).__name__ == "CProgram"


@pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
def test_results_of_several_families_that_are_copied() -> None:
    """Seed 8778: while one family was handed out, another one's copies were forgotten."""
    def run(x: Any) -> Any:
        y = 1.0 / x
        return y[:, 2], tg.repeat(y, 1, axis=1), y, x[1:], x * 1.0

    for shape in ((0, 5), (3, 5)):
        x = tg.ones(shape)
        for got, want in zip(tg.static(run, level="O3")(x), run(x), strict=True):
            np.testing.assert_array_equal(got.numpy(), want.numpy())


@pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
def test_several_sums_over_the_same_chunks() -> None:
    """Seed 8671: whether a sum is among several was asked with ==, which compares elements."""
    x = tg.tensor(np.random.default_rng(0).normal(size=(9, 7)))

    def run(x: Any) -> Any:
        return tg.log(1 + tg.exp(x)), x.min(axis=0), x.sum(axis=0), (x * x).sum(axis=0), x.max()

    for threads in (1, 2):
        with writing_c("-O1", "long loops"):
            answers = tg.static(run, level="O3", threads=threads)(x)
        for got, want in zip(answers, run(x), strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12)


def overwritten(x: Any, how: str, y: Any = None) -> Any:
    """A copy of x, changed by an operator in place; by itself, if there is no other operand."""
    z = x * 1.0
    y = z if y is None else y
    if how == "*=":
        z *= y
    else:
        z **= y
    return z


def with_gradients(function: Callable[..., Any], grad: Callable[..., Any]) -> Callable[..., Any]:
    def run(*xs: Any) -> list[Any]:
        z = function(*xs)
        first = grad((z * z).sum(), list(xs), create_graph=True)
        return [z, *first, *grad(sum((g * g).sum() for g in first), list(xs), allow_unused=True)]
    return run


def numbers(answers: list[Any]) -> list[Any]:
    return [None if x is None else x.detach().numpy().copy() for x in answers]


@pytest.mark.parametrize("level", ["O0", "O1", "O2", "O3"])
@pytest.mark.parametrize("name", FOUND)
def test_at_every_level(name: str, level: str) -> None:
    function, _, inputs = FOUND[name]
    run = with_gradients(function, tg.grad)
    xs = [tg.tensor(a, requires_grad=True) for a in inputs]
    for got, want in zip(numbers(tg.static(run, level=level)(*xs)), numbers(run(*xs)), strict=True):
        if want is None:
            assert got is None
        elif level in ("O0", "O1"):
            assert got.tobytes() == want.tobytes()
        else:
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@pytest.mark.oracles("torch")
@pytest.mark.parametrize("name", FOUND)
def test_in_pytorch(name: str) -> None:
    import torch

    ours, theirs, inputs = FOUND[name]
    got = with_gradients(ours, tg.grad)(*[tg.tensor(a, requires_grad=True) for a in inputs])
    want = with_gradients(theirs, torch.autograd.grad)(*[torch.tensor(a, requires_grad=True) for a in inputs])
    for a, b in zip(numbers(got), numbers(want), strict=True):
        if a is not None and b is not None:
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)

"""Gradients as expressions (card T3): against the rules of calculus of a computer algebra system, and Hessians."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg


def formula(lib: Any, seed: int, x: Any, y: Any) -> Any:
    """A random number made of two, in any library."""
    rng = np.random.default_rng(seed)
    z = x
    for _ in range(int(rng.integers(3, 8))):
        z = [
            lambda a, b: a + b * 0.5, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / (b * b + 1.25),
            lambda a, b: lib.sin(a) * b, lambda a, b: lib.cos(a) + b, lambda a, b: lib.tanh(a),
            lambda a, b: lib.exp(-a * a) + b, lambda a, b: lib.log(a * a + 1.5),
            lambda a, b: lib.sqrt(a * a + 0.75) * b, lambda a, b: lib.atan(a) - b, lambda a, b: lib.tanh(a) ** 3 + b,
        ][int(rng.integers(12))](z, (x, y)[rng.integers(2)])
    return z + x * y * 0.25


@pytest.mark.oracles("sympy")
@pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 200), marks=pytest.mark.slow)], ids=str)
def test_200_gradients_agree_with_sympy(seeds: range) -> None:
    import sympy

    names = sympy.symbols("x y", real=True)
    point = (0.7, -1.3)
    for seed in seeds:
        theirs = formula(sympy, seed, *names)
        want = sympy.lambdify(names, [sympy.diff(theirs, name) for name in names], "math", cse=True)(*point)
        leaves = [tg.tensor(value, dtype="float64", requires_grad=True) for value in point]
        inputs = [tg.placeholder((), tg.float64, name) for name in "xy"]
        f = tg.function(inputs, tg.grad(formula(tg, seed, *inputs), inputs))
        for answer in (tg.grad(formula(tg, seed, *leaves), leaves), f(*point)):
            np.testing.assert_allclose([g.item() for g in answer], want, rtol=1e-10, err_msg=f"{theirs}")


def test_a_gradient_of_placeholders_is_an_expression() -> None:
    """d/dx sin(x)² exp(-x) = exp(-x) sin(x) (2 cos(x) - sin(x)), and its derivative"""
    x = tg.placeholder((), tg.float64, "x")
    g = tg.grad(tg.sin(x) ** 2 * tg.exp(-x), x)
    h = tg.grad(g, x)
    first, second = tg.function([x], [g, h])(0.8)
    s, c, e = np.sin(0.8), np.cos(0.8), np.exp(-0.8)
    assert first.item() == pytest.approx(e * s * (2 * c - s), rel=1e-14)
    assert second.item() == pytest.approx(e * (2 * c * c - s * s - 4 * s * c), rel=1e-13)
    assert not isinstance(g._data, np.ndarray)


@pytest.mark.parametrize("symbolic", [False, True], ids=["dynamic", "placeholders"])
def test_an_input_that_is_not_reached_is_named(symbolic: bool) -> None:
    x, z = ((tg.placeholder((), tg.float64, name) for name in "xz") if symbolic else
            (tg.tensor(2.0, requires_grad=True) for _ in "xz"))
    z.name = "z"
    y = tg.sin(x)
    with pytest.raises(tg.GradientError, match=r"(?s)input z.*allow_unused"):
        tg.grad(y, [x, z])
    assert tg.grad(tg.sin(x), [x, z], allow_unused=True)[1] is None


def flat_loss(lib: Any, v: Any, x: Any, t: Any) -> Any:
    """The loss of a network 3-4-3-2 whose parameters are the 39 numbers of v."""
    start, h = 0, x
    for rows, columns in ((3, 4), (4, 3), (3, 2)):
        w = v[start:start + rows * columns].reshape((rows, columns))
        b = v[start + rows * columns:start + rows * columns + columns]
        start += rows * columns + columns
        h = lib.tanh(h @ w + b) if columns > 2 else h @ w + b
    return ((h - t) ** 2).mean() + lib.log(lib.exp(h).sum(1)).mean() * 0.5


def problem(lib: Any, array: Any) -> tuple[Any, Any]:
    """The loss as a function of v, and a v."""
    rng = np.random.default_rng(3)
    v, x, t = (array(rng.normal(size=shape) * 0.6) for shape in (39, (7, 3), (7, 2)))
    return lambda v: flat_loss(lib, v, x, t), v


@pytest.mark.oracles
def test_second_derivatives_of_a_network_agree_with_torch() -> None:
    import torch

    (f, v), (g, w) = problem(tg, tg.tensor), problem(torch, torch.tensor)
    mine, theirs = tg.hessian(f)(v).numpy(), torch.autograd.functional.hessian(g, w).numpy()
    np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-11)
    assert np.abs(mine).max() > 0.1
    along = np.random.default_rng(4).normal(size=39)
    _, product = tg.hvp(f, v, tg.tensor(along))
    np.testing.assert_allclose(product.numpy(), torch.autograd.functional.hvp(g, w, torch.tensor(along))[1].numpy(),
                               rtol=1e-10, atol=1e-12)

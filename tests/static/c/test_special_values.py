"""Infinities, nan, zeros of both signs and subnormal numbers through every C expression, beside NumPy."""

from __future__ import annotations

import warnings
from string import Formatter
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.executors.c import compiler
from teachgrad.nn import functional as F
from teachgrad.op import REGISTRY, apply
from teachgrad.ops.elementwise_op import Elementwise

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
VALUES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -3.0, 1e-3, np.inf, -np.inf, np.nan, 20.5, 88.0, -88.0, -104.0,
          700.0, -745.0, 1e30, -1e30, 1e-40, -1e-40, 1e-310]
SETTINGS = {"slope": 0.01, "alpha": 1.0, "beta": 1.0, "threshold": 20.0}
OPS = [op for op in REGISTRY.values() if isinstance(op, Elementwise) and op.c and "f" in op.c_kinds
       and op.name not in ("keep_scaled", "where")]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_expression(dtype: str) -> None:
    """All in one program for each number of operands: a compiler is slow to start and quick to go on."""
    for count in (1, 2, 3):
        ops = [op for op in OPS if operands(op) == count]
        values = [v for v in VALUES if count < 3 or not 0.6 < abs(v) < 1e3]
        with np.errstate(all="ignore"):
            grids = [g.reshape(-1) for g in np.meshgrid(*[np.array(values).astype(dtype)] * count, indexing="ij")]

        def run(*xs: Any, ops: Any = tuple(ops)) -> Any:
            return [apply(op, xs, settings(op)) for op in ops]

        with np.errstate(all="ignore"):
            expected = run(*map(tg.tensor, grids))
            step = tg.static(run, level="O3")
            got = step(*map(tg.tensor, grids))
        assert "numpy:" not in step.source
        bound = 1e-5 if dtype == "float32" else 1e-12
        for op, g, e in zip(ops, got, expected, strict=True):
            cancels = "gelu" in op.name or "entropy" in op.name  # 1 + tanh(u) near -1 loses digits, in NumPy too
            np.testing.assert_allclose(g.numpy(), e.numpy(), rtol=bound * (10 if cancels else 1),
                                       atol=bound * (1.0 if cancels else float(np.finfo(dtype).tiny)), err_msg=op.name)


def operands(op: Elementwise) -> int:
    """How many inputs an op has."""
    fields = {name for _, name, _, _ in Formatter().parse(op.c)}
    return sum(name in fields for name in op.operands)


def settings(op: Elementwise) -> dict[str, float]:
    """Values for the settings that an expression names."""
    fields = {name for _, name, _, _ in Formatter().parse(op.c) if name}
    return {name: SETTINGS[name] for name in fields if name not in op.operands}


def test_subnormal_numbers_survive_the_loading_of_a_library() -> None:
    small = np.array([1e-310, 5e-324])
    step = tg.static(lambda x: tg.exp(x) * 2.0, level="O3")
    step(tg.tensor([0.25]))
    assert (small * 1.0 == small).all()
    assert (small / 2 > 0)[0]
    kept = tg.static(lambda x: x * 1.5, level="O3")(tg.tensor(small)).numpy()
    assert kept.tolist() == (small * 1.5).tolist()


def test_integers_and_truth_values() -> None:
    """Integers wrap round as NumPy's do; what C would leave open stays with NumPy."""
    a = tg.tensor(np.array([127, -128, 5, -7], np.int8))
    b = tg.tensor(np.array([1, -1, 2, 2], np.int8))

    def run(a: Any, b: Any) -> Any:
        return a + b, a - b, a * b, -a, a // b, a % b, a < b, (a > 0) & (b > 0), tg.where(a < b, a, b), tg.maximum(a, b)

    for got, want in zip(tg.static(run, level="O3")(a, b), run(a, b), strict=True):
        assert got.dtype == want.dtype
        assert got.numpy().tolist() == want.numpy().tolist()


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_integer_division_and_shifts(dtype: str) -> None:
    """By zero, by -1, of the least number, by more bits than there are: as NumPy has them, all in C."""
    info = np.iinfo(dtype)
    numbers = [0, 1, 2, 3, 7, 8, 31, 32, 63, 64, 100, info.max, info.max - 1, info.min]
    numbers += [-1, -2, -7, info.min + 1] if info.min else []
    x, y = (tg.tensor(grid.reshape(-1)) for grid in np.meshgrid(*[np.array(numbers, dtype)] * 2))

    def run(x: Any, y: Any) -> Any:
        return (x // y, x % y, x << y, x >> y, x // 3, x % 3, x << 1, x >> 1, tg.full_like(x, 3) << y,
                tg.full_like(x, 3) >> y, tg.full_like(x, 3) // y)

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = run(x, y)
        step = tg.static(run, level="O3")
        got = step(x, y)
    assert "numpy:" not in tg.source(step)
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_integers_of_floating_point_numbers(dtype: str) -> None:
    x = tg.tensor(np.array([*VALUES, 2.0**31, -(2.0**31), 2.0**62, 1.9, -1.9] * 3, dtype))

    def run(x: Any) -> Any:
        return tg.astype(x, tg.int32), tg.astype(x, tg.int64)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = run(x)
        step = tg.static(run, level="O3")
        got = step(x)
    assert "numpy:" not in tg.source(step)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_sign_of_minus_zero_is_zero(dtype: str) -> None:
    x = tg.tensor([-0.0, 0.0, -2.0, np.nan, 3.0], dtype=dtype)
    got = tg.static(tg.sign, level="O3")(x).numpy()
    np.testing.assert_array_equal(got, np.sign(x.numpy()))
    np.testing.assert_array_equal(np.signbit(got[[0, 1]]), [False, False])


NEAR_ZERO = ("relu", "relu6", "elu", "selu", "celu", "leaky_relu", "gelu", "silu", "softplus", "mish", "hardtanh",
             "hardswish", "hardsigmoid", "softsign")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sign_of_zero(dtype: Any) -> None:
    """Activations of zeros of both signs, and clip with bounds that are zeros, give the zeros that NumPy gives."""
    bounds = [(low, high) for low in (-1.0, -0.0, 0.0) for high in (1.0, -0.0, 0.0)]

    def run(x: Any) -> list[Any]:
        return [*(getattr(F, name)(x) for name in NEAR_ZERO), *(tg.clip(x, low, high) for low, high in bounds)]

    x = tg.tensor(np.array([-0.0, 0.0] * 11, dtype))
    for what, plain, fast in zip((*NEAR_ZERO, *bounds), run(x), tg.static(run, level="O3")(x), strict=True):
        np.testing.assert_array_equal(fast.numpy(), plain.numpy(), err_msg=str(what))
        np.testing.assert_array_equal(np.signbit(fast.numpy()), np.signbit(plain.numpy()), err_msg=str(what))

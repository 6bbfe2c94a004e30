"""Does `tg.gradcheck` find wrong gradient rules, and only those?

Sixty wrong rules for fifteen functions, each a mistake that people make: a sign, a forgotten factor, a sum over the
wrong axis, a transposed matrix, a result used for an input, an index that is off by one, a mask turned round.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import teachgrad as tg

Rule = Callable[..., Any]  # (m, g, z, *inputs) -> gradients, with m the module teachgrad or torch


@dataclass(frozen=True)
class Case:
    """A function on arrays, inputs for it, its gradient rule, and wrong ones by name."""

    forward: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    right: Rule
    wrong: dict[str, Rule]
    low: float = -2.0


def total(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum, under the argument names that teachgrad and torch share in method calls."""
    if axis is None:
        return x.sum()
    return x.sum(axis=axis, keepdims=keepdims)


CASES = {
    "sin": Case(np.sin, ((3, 2),), lambda m, g, z, x: g * m.cos(x), {
        "sign": lambda m, g, z, x: -g * m.cos(x),
        "not derived": lambda m, g, z, x: g * m.sin(x),
        "result for input": lambda m, g, z, x: g * m.cos(z),
        "squared gradient": lambda m, g, z, x: g * g * m.cos(x),
        "forgets the gradient": lambda m, g, z, x: m.cos(x),
    }),
    "exp": Case(np.exp, ((4,),), lambda m, g, z, x: g * z, {
        "input for result": lambda m, g, z, x: g * x,
        "twice": lambda m, g, z, x: g * m.exp(z),
        "no chain": lambda m, g, z, x: g,
    }),
    "log": Case(np.log, ((2, 3),), lambda m, g, z, x: g / x, {
        "result for input": lambda m, g, z, x: g / z,
        "upside down": lambda m, g, z, x: g * x,
        "squared": lambda m, g, z, x: g / (x * x),
    }, low=0.5),
    "tanh": Case(np.tanh, ((5,),), lambda m, g, z, x: g * (1 - z * z), {
        "input for result": lambda m, g, z, x: g * (1 - x * x),
        "no square": lambda m, g, z, x: g * (1 - z),
        "plus": lambda m, g, z, x: g * (1 + z * z),
    }),
    "divide": Case(np.divide, ((3,), (3,)), lambda m, g, z, x, y: (g / y, -g * x / (y * y)), {
        "sign of second": lambda m, g, z, x, y: (g / y, g * x / (y * y)),
        "swapped": lambda m, g, z, x, y: (-g * x / (y * y), g / y),
        "no square": lambda m, g, z, x, y: (g / y, -g * x / y),
        "second missing": lambda m, g, z, x, y: (g / y, None),
    }, low=0.5),
    "multiply": Case(np.multiply, ((2, 2), (2, 2)), lambda m, g, z, x, y: (g * y, g * x), {
        "swapped": lambda m, g, z, x, y: (g * x, g * y),
        "half": lambda m, g, z, x, y: (0.5 * g * y, g * x),
        "transposed": lambda m, g, z, x, y: (g * y, g * x.mT),
        "absolute gradient": lambda m, g, z, x, y: (g * y, m.abs(g) * x),
    }),
    "add a row": Case(np.add, ((3, 2), (2,)), lambda m, g, z, x, y: (g, total(g, 0)), {
        "mean for sum": lambda m, g, z, x, y: (g, total(g, 0) / 3),
        "first row only": lambda m, g, z, x, y: (g, g[0]),
        "sum of all": lambda m, g, z, x, y: (g, total(g) + 0 * y),
        "wrong axis": lambda m, g, z, x, y: (g, total(g, 1)[:2]),
        "all but the last row": lambda m, g, z, x, y: (g, total(g[:-1], 0)),
    }),
    "matmul": Case(np.matmul, ((2, 2), (2, 2)), lambda m, g, z, x, y: (g @ y.mT, x.mT @ g), {
        "not transposed": lambda m, g, z, x, y: (g @ y, x.mT @ g),
        "neither transposed": lambda m, g, z, x, y: (g @ y, x @ g),
        "wrong side": lambda m, g, z, x, y: (y.mT @ g, x.mT @ g),
        "operands swapped": lambda m, g, z, x, y: (g @ x.mT, y.mT @ g),
        "gradient transposed": lambda m, g, z, x, y: (g.mT @ y.mT, x.mT @ g),
        "elementwise": lambda m, g, z, x, y: (g * y, x * g),
    }),
    "mean of rows": Case(lambda x: x.mean(axis=1), ((3, 4),), lambda m, g, z, x: g[:, None] / 4 + 0 * x, {
        "forgets n": lambda m, g, z, x: g[:, None] + 0 * x,
        "wrong n": lambda m, g, z, x: g[:, None] / 3 + 0 * x,
        "n of all": lambda m, g, z, x: g[:, None] / 12 + 0 * x,
    }),
    "sum of columns": Case(lambda x: x.sum(axis=0), ((3, 3),), lambda m, g, z, x: g + 0 * x, {
        "along the other axis": lambda m, g, z, x: g[:, None] + 0 * x,
        "summed gradient": lambda m, g, z, x: total(g) + 0 * x,
        "first gradient": lambda m, g, z, x: g[0] + 0 * x,
    }),
    "relu": Case(lambda x: np.maximum(x, 0), ((6,),), lambda m, g, z, x: m.where(x > 0, g, 0 * g), {
        "mask turned round": lambda m, g, z, x: m.where(x > 0, 0 * g, g),
        "no mask": lambda m, g, z, x: g,
        "mask of the gradient": lambda m, g, z, x: m.where(g > 0, g, 0 * g),
        "leaks": lambda m, g, z, x: m.where(x > 0, g, 0.01 * g),
    }),
    "softmax": Case(lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True), ((2, 3),),
                    lambda m, g, z, x: z * (g - total(g * z, -1, True)), {
        "diagonal only": lambda m, g, z, x: g * z * (1 - z),
        "sum over rows": lambda m, g, z, x: z * (g - total(g * z, 0, True)),
        "sum of everything": lambda m, g, z, x: z * (g - total(g * z)),
        "inner sum unweighted": lambda m, g, z, x: z * (g - total(g, -1, True)),
        "outer factor missing": lambda m, g, z, x: g - total(g * z, -1, True),
    }),
    "differences": Case(np.diff, ((5,),), lambda m, g, z, x: m.concat([-g[:1], g[:-1] - g[1:], g[-1:]]), {
        "off by one": lambda m, g, z, x: m.concat([-g[:1], g[1:] - g[:-1], g[-1:]]),
        "ends swapped": lambda m, g, z, x: m.concat([g[-1:], g[:-1] - g[1:], -g[:1]]),
        "ends missing": lambda m, g, z, x: m.concat([0 * g[:1], g[:-1] - g[1:], 0 * g[-1:]]),
        "all signs": lambda m, g, z, x: -m.concat([-g[:1], g[:-1] - g[1:], g[-1:]]),
    }),
    "power": Case(lambda x: x**3, ((3,),), lambda m, g, z, x: 3 * g * x * x, {
        "exponent": lambda m, g, z, x: 3 * g * x,
        "factor": lambda m, g, z, x: 2 * g * x * x,
        "nearly": lambda m, g, z, x: 3.01 * g * x * x,
        "of the result": lambda m, g, z, x: 3 * g * z,
    }),
    "norm of rows": Case(lambda x: np.sqrt((x * x).sum(-1)), ((2, 3),), lambda m, g, z, x: (g / z)[:, None] * x, {
        "not divided": lambda m, g, z, x: g[:, None] * x,
        "divided twice": lambda m, g, z, x: (g / (z * z))[:, None] * x,
        "factor 2": lambda m, g, z, x: 2 * (g / z)[:, None] * x,
        "normalised gradient": lambda m, g, z, x: (g / (m.abs(g) + 1e-300) / z)[:, None] * x,
    }),
}
MUTANTS = [(name, mistake) for name, case in CASES.items() for mistake in case.wrong]
BLIND = {("sin", "squared gradient"), ("multiply", "absolute gradient"), ("norm of rows", "normalised gradient")}
"""Rules that are right for gradients that are 1 in one place: a checker that tries no others passes them."""


def function(case: Case, rule: Rule) -> type[tg.Function]:
    class Mutant(tg.Function):
        @staticmethod
        def forward(ctx: Any, *xs: Any) -> Any:
            z = case.forward(*xs)
            ctx.save(z, *xs)
            return z

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return rule(tg, g, *ctx.saved)

    return Mutant


def points(case: Case, seed: int) -> list[tg.Tensor]:
    rng = np.random.default_rng(seed)
    return [tg.tensor(rng.uniform(case.low, 2.0, shape)) for shape in case.shapes]


def test_there_are_sixty() -> None:
    assert len(MUTANTS) == 60


@pytest.mark.parametrize(("name", "mistake"), MUTANTS, ids=lambda x: str(x).replace(" ", "_"))
def test_finds_the_mistake_and_says_where(name: str, mistake: str) -> None:
    case = CASES[name]
    mutant = function(case, case.wrong[mistake])
    result = tg.gradcheck(mutant.apply, *points(case, 1), raise_exception=False)
    assert not result.ok
    assert not result
    with pytest.raises(tg.GradientError, match=r"gradcheck: "):
        tg.gradcheck(mutant.apply, *points(case, 1))
    if result.worst is not None:
        assert result.worst.excess > 1
        assert abs(result.worst.analytic - result.worst.numeric) > 1e-5
        assert "test_gradcheck.py" in result.worst.blame or "gradcheck.py" in result.worst.blame
        assert "Mutant" in result.worst.blame


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_passes_the_right_rule(name: str, seed: int) -> None:
    case = CASES[name]
    right = function(case, case.right)
    result = tg.gradcheck(right.apply, *points(case, seed), order=2)
    assert result.ok
    assert result.forward_mode
    assert result.skipped == 0


@pytest.mark.oracles("torch")
@pytest.mark.parametrize(("name", "mistake"), [*MUTANTS, *((name, "") for name in CASES)])
def test_torch_comes_to_the_same_verdict(name: str, mistake: str) -> None:
    import torch

    case = CASES[name]
    rule = case.wrong[mistake] if mistake else case.right

    class Mutant(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *xs: Any) -> Any:
            z = torch.as_tensor(case.forward(*[x.detach().numpy() for x in xs]))
            ctx.save_for_backward(z, *xs)
            return z

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return rule(torch, g, *ctx.saved_tensors)

    xs = [torch.tensor(x.numpy(), requires_grad=True) for x in points(case, 1)]
    verdict = torch.autograd.gradcheck(Mutant.apply, xs, raise_exception=False)
    assert verdict == (mistake == "" or (name, mistake) in BLIND)


# ---- what else the checker has to be right about ---------------------------------------------------------------------

def f64(*values: Any) -> tg.Tensor:
    return tg.tensor(values if len(values) != 1 else values[0], dtype=tg.float64)


UNARY = ("exp", "expm1", "tanh", "sin", "cos", "tan", "atan", "sinh", "cosh", "asinh", "square", "abs", "negative",
         "positive", "floor", "sign")
SHAPES = ((), (3,), (2, 3), (1, 2, 2), (0, 2))


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_raises_no_false_alarm(name: str, shape: tuple[int, ...]) -> None:
    for seed in range(3):
        x = tg.tensor(np.random.default_rng(seed).normal(size=shape))
        assert tg.gradcheck(getattr(tg, name), x, order=2).ok


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "hypot",
                                  "atan2", "logaddexp", "copysign", "remainder"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_raises_no_false_alarm_with_broadcasting(name: str, shape: tuple[int, ...]) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, y = tg.tensor(rng.uniform(0.5, 2, shape)), tg.tensor(rng.uniform(0.5, 2, (2, *(1 for _ in shape))))
        assert tg.gradcheck(getattr(tg, name), x, y, order=2).ok


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "var", "std", "sort", "cumulative_sum",
                                  "cumulative_prod"])
@pytest.mark.parametrize("shape", [(1,), (3,), (2, 3), (3, 1, 2), (2, 2, 2)], ids=str)
def test_raises_no_false_alarm_over_axes(name: str, shape: tuple[int, ...]) -> None:
    for seed in range(3):
        x = tg.tensor(np.random.default_rng(seed).normal(size=shape))
        if name == "std" and shape[-1] == 1:
            continue  # of a single number: 0 with the derivative nan (test_standard.py)
        assert tg.gradcheck(lambda x: getattr(tg, name)(x, axis=-1), x, order=2).ok


def test_checks_every_element_of_every_order() -> None:
    result = tg.gradcheck(lambda x, y: (x @ y, tg.sin(x)), f64([[1, 2, 3], [4, 5, 6]]), f64([[1], [2], [3]]))
    assert result.checked == 6 * 2 + 3 * 2 + 6 * 6 + 3 * 6


def test_names_the_worst_element() -> None:
    class Wrong(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * tg.tensor([[2.0, 2.0], [2.5, 7.0]], dtype=tg.float64)

    def f(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        return Wrong.apply(y) + tg.sin(x)

    x = f64([[1, 2], [3, 4]])
    worst = tg.gradcheck(f, x, x, raise_exception=False).worst
    assert worst is not None
    assert (worst.input, worst.index, worst.output_index) == (1, (1, 1), (1, 1))
    assert worst.analytic == 7.0
    assert worst.numeric == pytest.approx(2.0, abs=1e-8)
    assert worst.blame.startswith("Wrong at test_gradcheck.py:")
    with pytest.raises(tg.GradientError, match=r"input 1 at \[1, 1\] is 7 by rule and 2.* differences\nWrong at"):
        tg.gradcheck(f, x, x)


def test_finds_a_wrong_second_derivative() -> None:
    class Half(tg.Function):
        """x³ with a right gradient, which is then frozen: its own derivative is lost."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved
            return g * 3 * (x * x).detach()

    assert tg.gradcheck(Half.apply, f64(1.0, 2.0)).ok
    result = tg.gradcheck(Half.apply, f64(1.0, 2.0), order=2, raise_exception=False)
    assert not result.ok
    assert result.worst is not None
    assert result.worst.order == 2
    assert "order-2 derivative" in result.problem


def test_skips_kinks_and_keeps_them_on_demand() -> None:
    x = f64(0.0, 1.0, -1e-7, 3e-7)
    result = tg.gradcheck(tg.abs, x, order=2)
    assert result.ok
    assert result.skipped >= 2
    assert not tg.gradcheck(tg.abs, x, kinks="keep", raise_exception=False).ok
    ties = tg.gradcheck(tg.max, f64(1.0, 1.0, 0.0), order=2)
    assert ties.ok
    assert ties.skipped > 0


def test_a_kink_elsewhere_excuses_nothing() -> None:
    wrong = function(CASES["relu"], CASES["relu"].wrong["leaks"])
    assert not tg.gradcheck(lambda x: wrong.apply(x) + tg.abs(x), f64(0.0, 1.0, -1.0), raise_exception=False).ok


def test_is_not_satisfied_with_skipping_everything() -> None:
    result = tg.gradcheck(lambda x: tg.clip(x, 0.0), f64(0.0), raise_exception=False)
    assert not result.ok
    assert "kink" in result.problem


def test_finds_a_gradient_that_is_missing() -> None:
    assert not tg.gradcheck(lambda x: x * x.detach(), f64(1.0, 2.0), raise_exception=False).ok
    assert not tg.gradcheck(lambda x: tg.sin(x).detach(), f64(1.0), raise_exception=False).ok


@pytest.mark.filterwarnings("ignore:invalid value")
def test_finds_a_gradient_that_is_nan() -> None:
    def f(x: tg.Tensor) -> tg.Tensor:
        return tg.where(x > 0, tg.sqrt(x), x * 0.0)

    result = tg.gradcheck(f, f64(-1.0, 4.0), raise_exception=False)
    assert not result.ok
    assert result.worst is not None
    assert math.isnan(result.worst.analytic)
    assert result.worst.index == (0,)


def test_freezes_random_numbers() -> None:
    def dropout(x: tg.Tensor) -> tg.Tensor:
        return x * tg.random.bernoulli(0.5, x.shape, dtype=tg.float64) * tg.random.normal((), dtype=tg.float64)

    assert tg.gradcheck(dropout, f64(*range(6)), order=2).ok


def test_refuses_what_it_cannot_check() -> None:
    counter = iter(range(100))
    with pytest.raises(tg.GradientError, match="two calls"):
        tg.gradcheck(lambda x: x * next(counter), f64(1.0))
    with pytest.raises(tg.DTypeError, match="float64"):
        tg.gradcheck(tg.sin, tg.tensor([1.0]))
    with pytest.raises(tg.DTypeError, match="at least one"):
        tg.gradcheck(lambda x: x, tg.arange(3))
    with pytest.raises(tg.TeachgradError, match="kinks"):
        tg.gradcheck(tg.sin, f64(1.0), kinks="ignore")

    def overwrites(x: tg.Tensor) -> tg.Tensor:
        with tg.no_grad():
            x *= 2
        return x * 1.0

    with pytest.raises(tg.GradientError, match="overwrites its input 0"):
        tg.gradcheck(overwrites, f64(1.0))


def test_passes_integers_through() -> None:
    x, index = f64(1.0, 2.0, 3.0), tg.tensor([2, 0, 2])
    assert tg.gradcheck(lambda x, i: x[i] ** 2, x, index, order=2).checked == 9 + 3 * 6

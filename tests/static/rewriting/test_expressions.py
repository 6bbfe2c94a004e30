"""Expressions simplified, against SymPy; written as text, which means the same again; written as LaTeX."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.interpreter import interpret
from teachgrad.op import REGISTRY
from teachgrad.symbolic import ordered

EXPRESSIONS = 200
FUNCTIONS = ("exp", "sin", "cos", "tanh", "log", "sqrt")


def x_and_y() -> tuple[Any, Any]:
    return tg.placeholder((), "float64", "x"), tg.placeholder((), "float64", "y")


def expression(seed: int, library: Any, x: Any, y: Any) -> Any:
    """The random expression of a seed in a library: Python's operators and elementary functions."""
    rng = np.random.default_rng(seed)
    pool = [x, y]
    for _ in range(int(rng.integers(3, 14))):
        a, b = (pool[rng.integers(len(pool))] for _ in range(2))
        kind = rng.integers(9)
        if kind < 4:
            pool.append([a + b, a - b, a * b, a / (b * b + 1)][kind])
        elif kind == 4:
            pool.append(-a)
        elif kind == 5:
            pool.append(a ** 2)
        elif kind == 6:
            pool.append(float(rng.integers(1, 4)) * a)
        elif kind == 7:
            pool.append(getattr(library, FUNCTIONS[rng.integers(4)])(a / (1 + a * a)))
        else:
            pool.append(getattr(library, FUNCTIONS[rng.integers(4, 6)])(a * a + 1))
    return pool[-1] * pool[-2] + pool[-3]


def values_and_scale(e: Any, x: Any, y: Any, points: Any) -> tuple[Any, Any]:
    """The values of an expression at points, and the largest number that is met on the way to each."""
    used = [v for v in (x, y) if v.id in uses(e)]
    graph = tg.function(used, e, level="O0").graph
    known = interpret(graph, {v.id: points[0 if v is x else 1] for v in used})
    arrays = [np.broadcast_to(a, points[0].shape) for a in known.values() if isinstance(a, np.ndarray)]
    return np.broadcast_to(known.get(e.id, e._data), points[0].shape), np.max(np.abs(arrays), axis=0)


def uses(e: Any) -> set[int]:
    """The ids of the placeholders in an expression."""
    return {v.id for v in [e, *(x for w in ordered([e]) for x in w.inputs)] if v.op is None and v.name}


POINTS = np.random.default_rng(5).uniform(-3, 3, (2, 1000))


@pytest.mark.oracles("sympy")
@pytest.mark.parametrize("block", range(0, EXPRESSIONS, 20))
def test_simplify_keeps_values_and_never_grows(block: int) -> None:
    import sympy

    class Functions:
        def __getattr__(self, name: str) -> Any:
            return getattr(sympy, name)

    a, b = sympy.symbols("x y", real=True)
    for seed in range(block, block + 20):
        x, y = x_and_y()
        e = expression(seed, tg, x, y)
        short = tg.simplify(e)
        assert len(ordered([short])) <= len(ordered([e])), f"{seed}: {tg.pretty(e)}\n{tg.pretty(short)}"
        want = sympy.lambdify((a, b), expression(seed, Functions(), a, b), "numpy")(*POINTS)
        _, scale = values_and_scale(e, x, y, POINTS)
        got, _ = values_and_scale(short, x, y, POINTS)
        both = np.isfinite(want) & np.isfinite(got)
        assert both.mean() > 0.9
        assert (np.abs(got - want) <= 1e-12 * (1 + scale))[both].all(), f"{seed}: {tg.pretty(e)}\n{tg.pretty(short)}"


def test_simplified_gradients_can_be_differentiated_again() -> None:
    x, y = x_and_y()
    for seed in range(20):
        once = tg.grad(expression(seed, tg, x, y) + x * y, x, create_graph=True)
        got, want = (tg.grad(form + x, x) for form in (tg.simplify(once), once))
        value, scale = values_and_scale(want, x, y, POINTS)
        assert (np.abs(values_and_scale(got, x, y, POINTS)[0] - value) <= 1e-12 * (1 + scale)).all(), seed


def test_gradients_stop_where_they_stopped() -> None:
    x, _ = x_and_y()
    frozen = tg.exp(x).detach()
    short = tg.simplify(frozen * x * 2.0 * 3.0)
    assert tg.pretty(tg.simplify(tg.grad(short, x))) == tg.pretty(tg.simplify(frozen * 6.0))
    assert not tg.simplify(frozen * 2.0 * 3.0).requires_grad


def test_the_example_of_the_docstring() -> None:
    x, _ = x_and_y()
    short = tg.simplify(tg.grad(tg.sin(x) ** 2 * tg.exp(-x), x))
    assert tg.pretty(short) == "exp(-x)*sin(x)*(2*cos(x) - sin(x))"
    assert tg.latex(short) == (r"e^{-x} \, \sin\left(x\right) \, \left(2 \, \cos\left(x\right) - "
                               r"\sin\left(x\right)\right)")


@pytest.mark.parametrize("seed", range(0, EXPRESSIONS, 2))
def test_text_means_the_same_in_python(seed: int) -> None:
    x, y = x_and_y()
    e = expression(seed, tg, x, y)
    for form in (e, tg.simplify(e)):
        again = eval(tg.pretty(form), {name: getattr(tg, name, None) for name in REGISTRY}, {"x": x, "y": y})
        value, scale = values_and_scale(form, x, y, POINTS)
        again = again if isinstance(again, tg.Tensor) else tg.tensor(again, dtype="float64")
        assert (np.abs(values_and_scale(again, x, y, POINTS)[0] - value) <= 1e-12 * (1 + scale)).all(), tg.pretty(form)


@pytest.mark.parametrize("seed", range(0, EXPRESSIONS, 2))
def test_latex_is_balanced(seed: int) -> None:
    x, y = x_and_y()
    for form in (e := expression(seed, tg, x, y), tg.simplify(e)):
        text = tg.latex(form)
        assert text.count("{") == text.count("}")
        assert text.count(r"\left(") == text.count(r"\right)")
        depth = 0
        for sign in text:
            depth += (sign == "{") - (sign == "}")
            assert depth >= 0
        assert set(re.findall(r"\\[a-z]+", text)) <= {"\\" + name for name in (
            "frac", "left", "right", "cdot", "sqrt", "sin", "cos", "tanh", "log", "operatorname", "mathrm")}, text


@pytest.mark.parametrize(("build", "text", "latex"), [
    (lambda x, y: x - (y - x), "x - (y - x)", r"x - \left(y - x\right)"),
    (lambda x, y: (x + y) * -x, "(x + y)*(-x)", r"\left(x + y\right) \, \left(-x\right)"),
    (lambda x, y: -(x ** 2), "-x**2", "-x^{2}"),
    (lambda x, y: (-x) ** 2, "(-x)**2", r"\left(-x\right)^{2}"),
    (lambda x, y: x / (x * y), "x/(x*y)", r"\frac{x}{x \, y}"),
    (lambda x, y: x * 2.0 + -y, "2*x - y", r"2 \, x - y"),
    (lambda x, y: tg.sqrt(tg.abs(x)) ** y, "sqrt(abs(x))**y", r"\sqrt{\left|x\right|}^{y}"),
    (lambda x, y: tg.log1p(x) * 1e-20, "1e-20*log1p(x)",
     r"1 \cdot 10^{-20} \, \operatorname{log1p}\left(x\right)"),
    (lambda x, y: tg.where(x > y, x, 0.0), "where((x > y), x, 0)",
     r"\operatorname{where}\left(\left(x > y\right), x, 0\right)"),
])
def test_written(build: Any, text: str, latex: str) -> None:
    x, y = x_and_y()
    assert tg.pretty(build(x, y)) == text
    assert tg.latex(build(x, y)) == latex


def test_arrays() -> None:
    x, w = tg.placeholder((5, 3), "float64", "x"), tg.placeholder((3, 2), "float64", "w1")
    e = tg.tanh(x @ w).sum(0)
    assert tg.pretty(e) == "sum(tanh(x @ w1), axis=0)"
    assert tg.latex(e) == r"\sum\left(\tanh\left(x \cdot w_{1}\right)\right)"
    assert tg.pretty((x @ w).T) == "(x @ w1).T"
    assert tg.pretty(x) == "x"
    assert tg.pretty(tg.simplify(tg.log(tg.exp(x).sum()))) == "logsumexp(x)"


def test_only_expressions() -> None:
    for take in (tg.simplify, tg.pretty, tg.latex):
        with pytest.raises(tg.TraceError, match="placeholders"):
            take(tg.tensor([1.0], requires_grad=True) * 2.0)


def test_simplify_says_what_it_is_worth() -> None:
    x, y = x_and_y()
    assert tg.simplify(x * y / x) is y
    assert tg.pretty(tg.simplify(x - x)) == "0"

"""Sizes that a trace leaves open: arithmetic against Python's integers and SymPy, questions against what they guard."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachgrad.ops.indexing import HOLE, indexed_shape, slice_length
from teachgrad.sizes import Sizes, broadcast_shapes

OPERATORS = (operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod)
RELATIONS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)

numbers = st.integers(-7, 7) | st.sampled_from(["N", "T"])
expressions = st.recursive(numbers, lambda inner: st.tuples(st.sampled_from(OPERATORS), inner, inner), max_leaves=8)
values = st.fixed_dictionaries({"N": st.integers(0, 40), "T": st.integers(0, 40)})


def evaluate(expression: Any, sizes: dict[str, Any]) -> Any:
    if isinstance(expression, tuple):
        function, a, b = expression
        return function(evaluate(a, sizes), evaluate(b, sizes))
    return sizes[expression] if isinstance(expression, str) else expression


def outcome(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except ZeroDivisionError:
        return "division by zero"


@given(expressions, values, values)
def test_a_formula_is_good_for_all_sizes_on_which_its_conditions_hold(expression: Any, here: Any, there: Any) -> None:
    sizes = Sizes(here)
    answer = outcome(lambda: evaluate(expression, {name: sizes.size(name) for name in here}))
    expected = outcome(lambda: evaluate(expression, here))
    sizes.tracing = False
    assert getattr(answer, "value", answer) == expected
    if sizes.hold(there):
        assert (answer.at(there) if hasattr(answer, "at") else answer) == outcome(lambda: evaluate(expression, there))
    assert sizes.hold(here)


@given(expressions, expressions, st.sampled_from(RELATIONS), values, values)
def test_an_answer_is_good_where_its_conditions_hold(a: Any, b: Any, relation: Any, here: Any, there: Any) -> None:
    sizes = Sizes(here)
    names = {name: sizes.size(name) for name in here}
    answer = outcome(lambda: bool(relation(evaluate(a, names), evaluate(b, names))))
    assert answer == outcome(lambda: relation(evaluate(a, here), evaluate(b, here)))
    if sizes.hold(there):
        assert answer == outcome(lambda: relation(evaluate(a, there), evaluate(b, there)))


@pytest.mark.oracles("sympy")
@given(expressions.filter(lambda e: "floordiv" not in str(e) and "mod" not in str(e)))
def test_polynomials_have_one_form(expression: Any) -> None:
    import sympy

    sizes = Sizes({"N": 5, "T": 3})
    mine = evaluate(expression, {"N": sizes.size("N"), "T": sizes.size("T")})
    symbols = {name: sympy.Symbol(name) for name in "NT"}
    theirs = sympy.expand(evaluate(expression, symbols))
    sizes.tracing = False
    assert sympy.expand(sympy.sympify(str(mine), symbols) - theirs) == 0
    assert len(str(mine).replace(" - ", " + ").split(" + ")) == len(sympy.Add.make_args(theirs))


def opened(**values: int) -> tuple[Any, ...]:
    sizes = Sizes(values)
    return sizes, *[sizes.size(name) for name in values]


def conditions(sizes: Sizes) -> list[str]:
    return list(sizes.conditions)


def test_what_follows_from_the_formulas_is_no_condition() -> None:
    sizes, n, t = opened(N=6, T=4)
    assert n == n
    assert n + n == 2 * n
    assert n >= 0
    assert n + 1 > 0
    assert n != -1
    assert not n < 0
    assert (n * 784) // 784 == n
    assert (n * t * 6) % 3 == 0
    assert 2 * n != 2 * t + 1
    assert conditions(sizes) == []


QUESTIONS: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "greater": (lambda n: n > 10, ["N <= 10"]),
    "equal": (lambda n: n == 6, ["N == 6"]),
    "factors": (lambda n: 4 * n > 8, ["N > 2"]),
    "truth": (bool, ["N != 0"]),
    "index": (lambda n: [0, 1, 2, 3, 4, 5, 6][n], ["N == 6"]),
    "range": (lambda n: list(range(n)), ["N == 6"]),
    "repeated list": (lambda n: [0] * n, ["N == 6"]),
    "int": (int, ["N == 6"]),
    "float": (float, ["N == 6"]),
    "text": (str, ["N == 6"]),
    "format": (lambda n: f"{n:03d}", ["N == 6"]),
    "repr in a tuple": (lambda n: str((n, 1)), ["N == 6"]),
    "key": (lambda n: {6: "six"}[n], ["N == 6"]),
    "member": (lambda n: n in {6}, ["N == 6"]),
    "square root": (math.sqrt, ["N == 6"]),
    "numpy": (lambda n: np.zeros((n, 2)).shape, ["N == 6"]),
    "numpy array": (lambda n: np.asarray(n).item(), ["N == 6"]),
    "numpy function": (lambda n: float(np.sqrt(n)), ["N == 6"]),
    "numpy number": (lambda n: float(np.float32(n)), ["N == 6"]),
    "bits": (lambda n: (n & 3, n << 1, ~n, n.bit_length()), ["N == 6"]),
    "round": (round, ["N == 6"]),
    "pickle": (lambda n: pickle.loads(pickle.dumps(n)), ["N == 6"]),
    "largest": (lambda n: max(n, 4), ["N >= 4"]),
    "sorted": (lambda n: sorted([n, 3])[0], ["N > 3"]),
    "remainder": (lambda n: n % 4 == 2, ["N == 4*(N // 4) + 2"]),
    "division": (lambda n: 5 // n, ["N != 0", "(5 // N) == 0"]),
    "reciprocal": (lambda n: 1.0 / n > 0.1, ["N != 0", "1.0 / N > 0.1"]),
    "is an integer": (lambda n: (isinstance(n, int), isinstance(1.0 / (n + 1), float)), []),
    "copy": (lambda n: isinstance(copy.deepcopy(n), int), []),
    "power": (lambda n: n ** 2 == n * n, []),
    "sum": (lambda n: sum([n, n]) - 2 * n, []),
    "difference": (lambda n: abs(n - n), []),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_questions(name: str) -> None:
    ask, expected = QUESTIONS[name]
    sizes, n = opened(N=6)
    answer = ask(n)
    assert answer == ask(6)
    assert conditions(sizes)[:len(expected)] == expected
    assert (expected or conditions(sizes) == [])


def test_floats_are_computed_as_they_were_written() -> None:
    sizes, n = opened(N=3)
    x = (0.1 / n + 1) * n - n / 7
    for k in (1, 3, 49, 1000):
        assert x.at({"N": k}) == (0.1 / k + 1) * k - k / 7
    assert isinstance(x, float)
    assert conditions(sizes) == ["N != 0"]


def test_after_the_trace_a_size_shows_its_formula() -> None:
    sizes, n, t = opened(N=6, T=2)
    formulas = [n, n * t - 1, (n + 1) // 2, 1.0 / n, -(2.0 * t)]
    sizes.tracing = False
    assert list(map(str, formulas)) == ["N", "N*T - 1", "((N + 1) // 2)", "1.0 / N", "-1.0 * (2.0 * T)"]


lengths = st.integers(0, 6) | st.sampled_from(["N", "T"])


@given(st.lists(st.lists(lengths, max_size=3).map(tuple), min_size=1, max_size=3), values, values)
def test_broadcasting_is_numpys(shapes: list[Any], here: Any, there: Any) -> None:
    sizes = Sizes(here)

    def numbers_of(values: dict[str, Any]) -> list[Any]:
        return [tuple([values.get(n, n) for n in shape]) for shape in shapes]

    def run(shapes: list[Any]) -> Any:
        try:
            return broadcast_shapes(*shapes)
        except ValueError:
            return None

    def at(answer: Any, values: dict[str, int]) -> Any:
        return None if answer is None else tuple([n.at(values) if hasattr(n, "at") else n for n in answer])

    answer = run(numbers_of({name: sizes.size(name) for name in here}))
    assert at(answer, here) == run(numbers_of(here))
    if sizes.hold(there):
        assert at(answer, there) == run(numbers_of(there))


bounds = st.none() | st.integers(-9, 9)


@given(bounds, bounds, st.none() | st.integers(-3, 3).filter(bool), st.integers(0, 8), st.integers(0, 8))
def test_slices_take_as_many_as_pythons(start: Any, stop: Any, step: Any, here: int, there: int) -> None:
    sizes, n = opened(N=here)
    part = slice(start, stop, step)
    length = slice_length(n, part)
    for k in (here, there):
        if sizes.hold({"N": k}):
            assert (length.at({"N": k}) if hasattr(length, "at") else length) == len(range(k)[part])


items = st.sampled_from([None, Ellipsis, slice(None), slice(1, None), slice(None, None, -1), True, 0, -1, HOLE])


@given(st.lists(items, max_size=4).filter(lambda pattern: pattern.count(Ellipsis) <= 1), st.integers(2, 4))
def test_an_index_gives_numpys_shape(pattern: list[Any], n: int) -> None:
    shape, hole = (n, 3, 2), (5, 1)
    holes = [hole for item in pattern if item is HOLE]
    index = tuple([np.zeros(hole, np.int64) if item is HOLE else item for item in pattern])
    _sizes, size = opened(N=n)
    try:
        expected = np.empty(shape)[index].shape
    except IndexError:
        with pytest.raises((IndexError, ValueError)):
            indexed_shape((size, 3, 2), (*pattern, *[Ellipsis][pattern.count(Ellipsis):]), holes)
        return
    found = indexed_shape((size, 3, 2), (*pattern, *[Ellipsis][pattern.count(Ellipsis):]), holes)
    assert tuple([k.value if hasattr(k, "value") else k for k in found]) == expected


def test_numbers_are_exact() -> None:
    """(1/n) n is what Python's floats make of it, not what fractions would."""
    _sizes, n = opened(N=49)
    x = (1.0 / n) * n
    assert float(x) == (1.0 / 49) * 49 != float(Fraction(1, 49) * 49)

"""The little language of watched conditions: read right, against Python and NumPy, and never executed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachgrad_inspector.conditions import DEEPEST, LONGEST, Condition, ConditionError, read
from teachgrad_inspector.session import Session

Open = Callable[..., Session]

NUMBERS = st.one_of(st.integers(0, 99).map(str), st.sampled_from(["0.5", "2.25", "1e2", ".5", "nan", "inf"]))


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> str:
    """An expression that means the same in Python, with arithmetic under comparisons under `not`, `and`, `or`."""
    if depth == 0:
        return draw(NUMBERS)
    kind = draw(st.sampled_from(["number", "+", "-", "*", "/", "**", "sign", "()", "abs"]))
    if kind == "number":
        return draw(NUMBERS)
    left = draw(expressions(depth=depth - 1))
    if kind == "sign":
        return f"-{left}"
    if kind in ("()", "abs"):
        return f"{'abs' if kind == 'abs' else ''}({left})"
    if kind == "**":  # libraries differ in the last bit of large powers
        return f"{left} ** {draw(st.sampled_from(['0', '1', '2', '-1']))}"
    return f"{left} {kind} {draw(expressions(depth=depth - 1))}"


@st.composite
def conditions(draw: st.DrawFn) -> str:
    parts = [f"{draw(expressions())} {draw(st.sampled_from(['<', '<=', '>', '>=', '==', '!=']))} {draw(expressions())}"
             for _ in range(draw(st.integers(1, 3)))]  # fmt: skip
    text = parts[0]
    for part in parts[1:]:
        negation = draw(st.sampled_from(["", "not "]))
        text += f" {draw(st.sampled_from(['and', 'or']))} {negation}{part}"
    return text


def worth(text: str) -> object:
    """What Python makes of it, with NumPy's numbers."""
    import re

    wrapped = re.sub(r"(?<![\w.])(\d*\.?\d+(?:e\d+)?|nan|inf)(?!\w)", r"n(\1)", text)
    with np.errstate(all="ignore"):
        return eval(wrapped, {"n": np.float64, "nan": math.nan, "inf": math.inf, "abs": np.abs})


@given(conditions())
def test_it_means_what_it_means_in_python(text: str) -> None:
    place: Session = None  # type: ignore[assignment]  # no names, so nothing is looked at
    got = read(text).at(place, None)  # type: ignore[arg-type]
    assert bool(got) == bool(worth(text)), text


@given(expressions())
def test_numbers_mean_what_they_mean_in_python(text: str) -> None:
    got = read(text).at(None, None)  # type: ignore[arg-type]
    assert np.array_equal(float(got), float(worth(text)), equal_nan=True), text  # type: ignore[arg-type]


def value(session: Session, text: str, moment: str = "last") -> object:
    return read(text).at(session, session.run.resolve(moment))


def test_values_of_a_recording(session: Open) -> None:
    net = session("net")
    w1, x = np.array([[1.0, -1.0], [0.0, 2.0]]), np.array([[1.0, 2.0], [3.0, 0.0], [0.0, -1.0]])
    z = x @ w1
    h = np.maximum(z, 0)
    at = "t0/bwd/9"
    for text, expected in (
        ("sum(z)", z.sum()), ("norm(h)", np.sqrt((h * h).sum())), ("h[0,1]", h[0, 1]), ("h[-1,-1] + 1", h[-1, -1] + 1),
        ("max(abs(z))", np.abs(z).max()), ("zeros(h)", (h == 0).sum()), ("size(z)", z.size), ("std(z)", z.std()),
        ("mean(fc1.weight)", w1.mean()), ("`fc1.weight`[0,1]", w1[0, 1]), ("any(z < 0)", True), ("all(h >= 0)", True),
        ("t", 0), ("min(z) < 0 and not any(isnan(z))", True), ("it", 1.0),
    ):  # fmt: skip
        assert value(net, text, at) == pytest.approx(expected), text
    assert value(net, "norm(fc1.weight.grad)", at) is None
    assert not read("norm(fc1.weight.grad) >= 0").holds(net, net.run.resolve(at))
    assert value(net, "t", "t1/fwd/0") == 1


def test_a_name_keeps_its_value_until_it_gets_another(session: Open) -> None:
    net = session("net")
    last = value(net, "norm(fc1.weight.grad)", "t0/upd/17")
    assert value(net, "norm(fc1.weight.grad)", "t1/fwd/0") == last
    assert value(net, "sum(fc1.weight)", "t1/fwd/0") != value(net, "sum(fc1.weight)", "last")


def test_statistics_answer_where_elements_were_not_kept(session: Open) -> None:
    whole, summary = session("net"), session("net", "stats")
    for text in ("min(z)", "max(z)", "mean(z)", "std(z)", "norm(z)", "zeros(z)", "size(z)", "any(isnan(z))",
                 "all(isfinite(z))", "any(isinf(z))"):  # fmt: skip
        assert value(summary, text) == pytest.approx(value(whole, text)), text
    with pytest.raises(ConditionError, match=r"elements of z were not recorded \(level stats\)"):
        value(summary, "sum(z)")
    with pytest.raises(ConditionError, match="not recorded"):
        value(summary, "any(z > 0)")


@pytest.mark.parametrize(("text", "message"), [
    ("", "ends too early"), ("1 +", "ends too early"), ("(1", r"'\)' is expected, but it ends"),
    ("1 2", "'2' is not expected"),
    ("foo(1)", "no function 'foo'"), ("a.b(1)", "no function"), ("__import__('os')", "means nothing|no function"),
    ("x[1", "expected"), ("x[a]", "whole number"), ("x[1.5]", "whole number"), ("and 1", "lacks its left side"),
    ("1; 2", "';' means nothing"), ("x := 3", "':' means nothing"), ("lambda: 1", "':' means nothing"),
    ("(" * (DEEPEST + 5) + "1" + ")" * (DEEPEST + 5), "nested too deeply"), ("1" + "+1" * LONGEST, "too long"),
    ("-" * 900 + "1", "nested too deeply"),
])  # fmt: skip
def test_what_it_does_not_take(text: str, message: str) -> None:
    with pytest.raises(ConditionError, match=message):
        read(text)


def test_answers_that_are_none(session: Open) -> None:
    net = session("net")
    here = net.run.resolve("last")
    for text, message in (("z > 0", r"has 6 answers; ask for any\(…\) or all\(…\)"), ("x + fc2.weight == 1", "shapes"),
                          ("h[7,7] > 1", "out of bounds"), ("h[0,0,0] > 1", "too many")):  # fmt: skip
        with pytest.raises(ConditionError, match=message):
            read(text).holds(net, here)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConditionError):
        assert isinstance(read(text), Condition)

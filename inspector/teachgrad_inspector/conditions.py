"""Expressions over recorded values: `norm(W1.grad) > 10`, `any(isnan(loss))`, `W1[0,3] < 0 and t > 5`.

A small language of its own, because `eval` on what somebody typed could do anything:

    or, and, not, < <= > >= == !=, + - * /, **, numbers, nan, inf, parentheses
    names             what the tape calls a value, or its gradient: W1, W1.grad, fc.weight, `odd name`
    name[3,1]         an element
    it                what the row is about;  t  the number of the training step
    abs sqrt log log10 exp sign isnan isinf isfinite      element by element
    min max mean sum std norm any all zeros size          of all elements; `zeros` counts them

A name stands for the last value that it had up to the moment: one that has none yet makes the answer unknown, None.
Of a value of which only statistics were kept, `min`, `max`, `mean`, `std`, `norm`, `zeros`, `size`, and `any` and `all`
of `isnan`, `isinf` and `isfinite` are known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from teachgrad.errors import TeachgradError
from teachgrad.recording import Moment, Row, Statistics

from .session import Session

LONGEST = 1000
"""Characters of an expression, at most."""
DEEPEST = 50
"""Parentheses within parentheses, at most."""
EARLIER = 16
"""A name is looked for in so many training steps before the present one."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d][\w#]*(?:\.[\w#]+)*|#\d+|`[^`]+`)"
    r"|(?P<sign>\*\*|<=|>=|==|!=|[-+*/<>()\[\],]))"
)

Value = Any
"""An array or a number, or None where it is not known."""


class ConditionError(TeachgradError):
    """An expression that cannot be read, or that has no answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """A moment of a recording, as an expression sees it."""

    session: Session
    moment: Moment
    """Its row is -1 before anything has happened in the training step."""


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression: its text, the names in it, and what it is worth at a moment."""

    text: str
    names: frozenset[str]
    worth: Callable[[Place], Value]

    def at(self, session: Session, moment: Moment) -> Value:
        """The value at a moment, a NumPy number or array, or None if it is unknown."""
        try:
            with np.errstate(all="ignore"):
                return self.worth(Place(session, moment))
        except (ValueError, TypeError, IndexError) as error:  # shapes that do not fit, an element that is not there
            raise ConditionError(f"{self.text}: {error}") from None

    def holds(self, session: Session, moment: Moment) -> bool:
        """Whether it is true at a moment; what is unknown is not."""
        value = self.at(session, moment)
        if value is None:
            return False
        if np.size(value) != 1:
            raise ConditionError(f"{self.text} has {np.size(value)} answers; ask for any(…) or all(…)")
        return bool(np.all(value))


def read(text: str) -> Condition:
    """The condition that a text says. Raises `ConditionError` where it cannot be understood."""
    return _Parser(text).whole()


# ---- what names stand for --------------------------------------------------------------------------------------------


def latest(session: Session, name: str, moment: Moment) -> Row | None:
    """The last row about a name up to a moment, in this training step or one not long before; for parameters that no
    row was about lately, the one in which they appeared."""
    for number in range(moment.step, max(-1, moment.step - EARLIER - 1), -1):
        step = session.run.step(number)
        rows = [i for i in step.about().get(name, ()) if number < moment.step or i <= moment.row]
        if rows:
            return step.rows[rows[-1]]
    first = session.run.step(0)
    rows = [i for i in first.about().get(name, ()) if first.rows[i].kind == "leaf"] if moment.step > EARLIER else []
    return first.rows[rows[0]] if rows else None


def _array_of(place: Place, name: str) -> int | None:
    """The number of the array that a name stands for."""
    session, moment = place.session, place.moment
    if name == "it":
        return session.row(moment).value if moment.row >= 0 else None
    row = latest(session, name, moment)
    if row is None:
        return None
    return row.value if row.of_gradient else session.value_of(row.vertex, moment) or row.value


@dataclass(frozen=True, slots=True)
class _Named:
    """A value of the recording; `inner` is a function of its elements that statistics can answer for."""

    name: str
    inner: str = ""

    def statistics(self, place: Place) -> tuple[Statistics, int] | None:
        """What is known of all elements, and how many there are."""
        number = _array_of(place, self.name)
        info = place.session.info(number)
        found = place.session.statistics(number) if info is not None else None
        return None if info is None or found is None else (found, info.size)

    def __call__(self, place: Place) -> Value:
        session = place.session
        number = _array_of(place, self.name)
        if number is None:
            return None
        values = session.array(number)
        if values is None:
            raise ConditionError(
                f"the elements of {self.name} were not recorded (level {session.run.level}); min, max, mean, std, norm "
                "and zeros of it are known where statistics were"
            )
        return ELEMENTWISE[self.inner](values) if self.inner else values


def _norm(x: Any) -> Any:
    flat = np.abs(np.asarray(x)).reshape(-1).astype(np.float64)
    return math.sqrt(float(flat @ flat))


ELEMENTWISE: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs, "sqrt": np.sqrt, "log": np.log, "log10": np.log10, "exp": np.exp, "sign": np.sign,
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite,
}  # fmt: skip
OVER_ALL: dict[str, Callable[[Any], Any]] = {
    "min": np.min, "max": np.max, "mean": lambda x: np.mean(x, dtype=_wide(x)),
    "sum": lambda x: np.sum(x, dtype=_wide(x)),
    "std": lambda x: np.std(x, dtype=_wide(x)), "norm": _norm, "any": np.any, "all": np.all,
    "zeros": lambda x: np.size(x) - np.count_nonzero(x), "size": np.size,
}  # fmt: skip


def _wide(x: Any) -> Any:
    """Sums are made in float64."""
    return np.float64 if np.asarray(x).dtype.kind in "fiub" else None


def _from_statistics(function: str, inner: str, known: Statistics, size: int) -> Value:
    """A function of all elements, from statistics; None if they do not tell."""
    bad = known.nans + known.infs
    if inner:
        counts = {"isnan": known.nans, "isinf": known.infs, "isfinite": size - bad}
        if inner not in counts or function not in ("any", "all"):
            return None
        return counts[inner] > 0 if function == "any" else counts[inner] == size
    if function == "size":
        return size
    if known.nans and function in ("min", "max", "mean", "std", "norm"):
        return math.nan
    if known.infs or (known.counted < size and function in ("mean", "std", "zeros", "norm")):
        return None
    if function == "norm":
        if known.mean is None or known.std is None:
            return None
        return math.sqrt(size * (known.mean**2 + known.std**2))
    return {"min": known.minimum, "max": known.maximum, "mean": known.mean, "std": known.std,
            "zeros": known.zeros}.get(function)  # fmt: skip


def _overall(function: str, argument: Callable[[Place], Value]) -> Callable[[Place], Value]:
    """A function of all elements: from the elements, or where they were not kept from statistics."""

    def worth(place: Place) -> Value:
        try:
            value = argument(place)
        except ConditionError:
            found = None
            if isinstance(argument, _Named) and (known := argument.statistics(place)) is not None:
                found = _from_statistics(function, argument.inner, *known)
            if found is None:
                raise
            return found
        if value is None:
            return None
        if np.size(value) == 0 and function in ("min", "max", "mean", "std"):
            return math.nan
        return OVER_ALL[function](value)

    return worth


# ---- reading an expression -------------------------------------------------------------------------------------------

BINARY: dict[str, tuple[int, Callable[[Any, Any], Any]]] = {
    "or": (1, np.logical_or), "and": (2, np.logical_and),
    "<": (4, np.less), "<=": (4, np.less_equal), ">": (4, np.greater), ">=": (4, np.greater_equal),
    "==": (4, np.equal), "!=": (4, np.not_equal),
    "+": (5, np.add), "-": (5, np.subtract), "*": (6, np.multiply), "/": (6, np.true_divide), "**": (8, np.power),
}  # fmt: skip
"""How strongly the operators bind, and what they do. `not` binds with 3, a sign with 7."""
CONSTANTS = {"nan": math.nan, "inf": math.inf, "pi": math.pi, "true": True, "false": False}


class _Parser:
    """Precedence climbing: each operator takes as its right side all that binds more strongly than it."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > LONGEST:
            raise ConditionError(f"an expression of {len(text)} characters is too long; {LONGEST} may be")
        self.tokens = list(self._split())
        self.at = 0
        self.depth = 0
        self.names: set[str] = set()

    def _split(self) -> Iterator[tuple[str, str]]:
        at = 0
        while self.text[at:].strip():
            match = _TOKEN.match(self.text, at)
            if match is None:
                raise self._error(f"{self.text[at:].strip()[0]!r} means nothing here")
            kind = match.lastgroup or ""
            yield kind, match[kind]
            at = match.end()

    def _error(self, what: str) -> ConditionError:
        return ConditionError(f"{self.text!r}: {what}; write something like norm(W1.grad) > 10")

    def whole(self) -> Condition:
        worth = self.expression(0)
        if self.at < len(self.tokens):
            raise self._error(f"{self.tokens[self.at][1]!r} is not expected")
        return Condition(self.text.strip(), frozenset(self.names), worth)

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("", "")

    def take(self, sign: str = "") -> tuple[str, str]:
        token = self.peek()
        if not token[0] or (sign and token != ("sign", sign)):
            found = f"{token[1]!r} stands there" if token[0] else "it ends"
            raise self._error(f"{sign!r} is expected, but {found}" if sign else "it ends too early")
        self.at += 1
        return token

    def expression(self, least: int) -> Callable[[Place], Value]:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._error("it is nested too deeply")
        left = self.operand()
        while self.peek()[1] in BINARY and self.peek()[0] in ("sign", "name"):
            sign = self.peek()[1]
            strength, function = BINARY[sign]
            if strength < least:
                break
            self.take()
            right = self.expression(strength if sign == "**" else strength + 1)
            left = _both(function, left, right)
        self.depth -= 1
        return left

    def operand(self) -> Callable[[Place], Value]:
        kind, token = self.take()
        if kind == "number":
            constant = float(token)
            return lambda place: constant
        if token == "(":
            inner = self.expression(0)
            self.take(")")
            return inner
        if token in ("-", "+"):
            signed = self.expression(7)
            return signed if token == "+" else _one(np.negative, signed)
        if kind != "name":
            raise self._error(f"{token!r} is not expected")
        if token == "not":
            return _one(np.logical_not, self.expression(3))
        if self.peek() == ("sign", "("):
            return self.call(token)
        if token in CONSTANTS:
            known = CONSTANTS[token]
            return lambda place: known
        if token in BINARY:
            raise self._error(f"{token!r} lacks its left side")
        return self.named(token.strip("`"))

    def named(self, name: str) -> Callable[[Place], Value]:
        if name == "t":
            return lambda place: place.moment.step
        self.names.add(name)
        value = _Named(name)
        if self.peek() != ("sign", "["):
            return value
        self.take("[")
        element = [self.index()]
        while self.peek() == ("sign", ","):
            self.take(",")
            element.append(self.index())
        self.take("]")
        return _one(lambda values: np.asarray(values)[tuple(element)], value)

    def index(self) -> int:
        minus = self.peek() == ("sign", "-")
        if minus:
            self.take()
        kind, token = self.take()
        if kind != "number" or not token.isdecimal():
            raise self._error(f"an index is a whole number, not {token!r}")
        return -int(token) if minus else int(token)

    def call(self, function: str) -> Callable[[Place], Value]:
        if function not in ELEMENTWISE and function not in OVER_ALL:
            known = ", ".join(sorted((*ELEMENTWISE, *OVER_ALL)))
            raise self._error(f"there is no function {function!r}; there are {known}")
        self.take("(")
        argument = self.expression(0)
        self.take(")")
        if function in OVER_ALL:
            return _overall(function, argument)
        if isinstance(argument, _Named) and not argument.inner:
            return _Named(argument.name, function)
        return _one(ELEMENTWISE[function], argument)


def _one(function: Callable[[Any], Any], argument: Callable[[Place], Value]) -> Callable[[Place], Value]:
    def worth(place: Place) -> Value:
        value = argument(place)
        return None if value is None else function(value)

    return worth


def _both(
    function: Callable[[Any, Any], Any], left: Callable[[Place], Value], right: Callable[[Place], Value]
) -> Callable[[Place], Value]:
    def worth(place: Place) -> Value:
        first, second = left(place), right(place)
        return None if first is None or second is None else function(first, second)

    return worth

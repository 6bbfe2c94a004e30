"""Sizes that a trace leaves open: integers that know their value and the formula that it follows from.

A function that is traced for every batch size meets a `Size` as the length of an axis. It has the value of the call
that is traced, and adds, multiplies and divides like an integer; the result is a `Size` with a formula. What depends
on more than the formula becomes a condition: after `if n > 10` the trace is good only for sizes on the same side, and
who asks for the very number (as an index, in `range`, `len`, `float`, a text) ties the trace to it. So nothing that was
decided by a size is ever frozen silently, by the user's code, by ops or by passes. A later call with other sizes asks
the conditions; if all hold, formulas become numbers, and nothing is traced.

PyTorch keeps its symbolic integers in the same way, with the values of the first call and guards (`SymInt`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .errors import Site, place, user_site
from .formulas import Formula, Term, number, variable

OPPOSITES = {"==": "!=", "<": ">="}


@dataclass(frozen=True)
class Condition:
    """What must hold of sizes for a trace to be good: `left relation right`, or the contrary. `site` is who asked."""

    left: Any
    relation: str
    right: Any
    truth: bool
    site: Site | None

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether it holds for these sizes."""
        left, right = value_at(self.left, sizes), value_at(self.right, sizes)
        return bool(left == right if self.relation == "==" else left < right) is self.truth

    def __str__(self) -> str:
        left, relation, right = self.left, self.relation if self.truth else OPPOSITES[self.relation], self.right
        if not isinstance(left, (Formula, Term)) or getattr(left, "constant", None) is not None:
            flipped = {"<": ">", ">=": "<="}.get(relation, relation)
            return f"{right} {flipped} {left}"
        return f"{left} {relation} {right}"


class Sizes:
    """The open sizes of one trace, by name, and the conditions under which it is good."""

    def __init__(self, values: Mapping[str, int]) -> None:
        self.values = dict(values)
        """What they are in the call that is traced."""
        self.conditions: dict[str, Condition] = {}
        self.tracing = True
        """Whether the user's code runs, to which a size must look like the integer that it is."""
        self.closed = False
        """Whether the trace and all that is made of it are there, so that nothing is found out any more."""

    def size(self, name: str) -> Size:
        """One of them."""
        return Size(variable(name), self)

    def shape(self, pattern: tuple[Any, ...]) -> tuple[Any, ...]:
        """A shape, given with names for those of its sizes that are open."""
        return OpenShape([self.size(n) if isinstance(n, str) else n for n in pattern])

    def decide(self, left: Any, relation: str, right: Any) -> bool:
        """Whether a relation holds; where that depends on the sizes, it becomes a condition."""
        if isinstance(left, Formula) and isinstance(right, Formula):
            less, equal, more = (left - right).sign
            if not (equal if relation == "==" else less):
                return False
            if not (less or more if relation == "==" else equal or more):
                return True
            left, right = (left - right).sides
        truth = Condition(left, relation, right, True, None).holds(self.values)
        if not self.closed:
            condition = Condition(left, relation, right, truth, user_site())
            self.conditions.setdefault(str(condition), condition)
        return truth

    def hold(self, sizes: Mapping[str, int]) -> bool:
        """Whether the trace is good for these sizes."""
        return sizes.keys() == self.values.keys() and all(c.holds(sizes) for c in self.conditions.values())

    def broken(self, sizes: Mapping[str, int]) -> list[str]:
        """The conditions that do not hold for these sizes, and where they come from."""
        return [f"{c} ({place(c.site)})" for c in self.conditions.values() if not c.holds(sizes)]


def value_at(x: Any, sizes: Mapping[str, int]) -> Any:
    """A formula as the number that it is for some sizes."""
    return x.at(sizes) if isinstance(x, (Formula, Term)) else x


class Quantity:
    """A number with a formula."""

    __slots__ = ("formula", "sizes", "value")

    kind: ClassVar[type] = float

    def __init__(self, formula: Any, sizes: Sizes) -> None:
        self.formula, self.sizes = formula, sizes
        self.value = formula.at(sizes.values)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What `isinstance` sees: to code that asks, this is a number."""
        return self.kind

    def at(self, sizes: Mapping[str, int]) -> Any:
        """The number for these sizes."""
        return self.formula.at(sizes)

    def pinned(self) -> Any:
        """The very number; the trace is good for that alone."""
        self.sizes.decide(self.formula, "==", formula_of(self.value))
        return self.value

    # ---- arithmetic --------------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any: return combined(self.sizes, operator.add, self, other)
    def __radd__(self, other: Any) -> Any: return combined(self.sizes, operator.add, other, self)
    def __sub__(self, other: Any) -> Any: return combined(self.sizes, operator.sub, self, other)
    def __rsub__(self, other: Any) -> Any: return combined(self.sizes, operator.sub, other, self)
    def __mul__(self, other: Any) -> Any: return combined(self.sizes, operator.mul, self, other)
    def __rmul__(self, other: Any) -> Any: return combined(self.sizes, operator.mul, other, self)
    def __truediv__(self, other: Any) -> Any: return combined(self.sizes, operator.truediv, self, other)
    def __rtruediv__(self, other: Any) -> Any: return combined(self.sizes, operator.truediv, other, self)
    def __floordiv__(self, other: Any) -> Any: return combined(self.sizes, operator.floordiv, self, other)
    def __rfloordiv__(self, other: Any) -> Any: return combined(self.sizes, operator.floordiv, other, self)
    def __mod__(self, other: Any) -> Any: return combined(self.sizes, operator.mod, self, other)
    def __rmod__(self, other: Any) -> Any: return combined(self.sizes, operator.mod, other, self)
    def __divmod__(self, other: Any) -> Any: return self // other, self % other
    def __rdivmod__(self, other: Any) -> Any: return other // self, other % self
    def __pow__(self, other: Any) -> Any: return combined(self.sizes, operator.pow, self, other)
    def __rpow__(self, other: Any) -> Any: return combined(self.sizes, operator.pow, other, self)
    def __neg__(self) -> Any: return combined(self.sizes, operator.sub, 0, self) if is_size(self) else -1.0 * self
    def __pos__(self) -> Any: return self
    def __abs__(self) -> Any: return -self if self < 0 else self

    # ---- questions ---------------------------------------------------------------------------------------------------

    def __eq__(self, other: Any) -> Any: return self.compared("==", self, other)
    def __ne__(self, other: Any) -> Any: return opposite(self.compared("==", self, other))
    def __lt__(self, other: Any) -> Any: return self.compared("<", self, other)
    def __ge__(self, other: Any) -> Any: return opposite(self.compared("<", self, other))
    def __gt__(self, other: Any) -> Any: return self.compared("<", other, self)
    def __le__(self, other: Any) -> Any: return opposite(self.compared("<", other, self))
    def __bool__(self) -> bool: return not self.sizes.decide(self.formula, "==", formula_of(0))

    def compared(self, relation: str, left: Any, right: Any) -> Any:
        """Whether a relation holds."""
        a, b = formula_of(left), formula_of(right)
        return NotImplemented if a is None or b is None else self.sizes.decide(a, relation, b)

    # ---- the number itself -------------------------------------------------------------------------------------------

    def __hash__(self) -> int: return hash(self.pinned() if self.sizes.tracing else self.formula)
    def __int__(self) -> int: return int(self.pinned())
    def __float__(self) -> float: return float(self.pinned())
    def __index__(self) -> int: return operator.index(self.pinned())
    def __trunc__(self) -> Any: return self.pinned().__trunc__()
    def __floor__(self) -> Any: return self.pinned().__floor__()
    def __ceil__(self) -> Any: return self.pinned().__ceil__()
    def __round__(self, *digits: Any) -> Any: return round(self.pinned(), *digits)
    def __and__(self, other: Any) -> Any: return self.pinned() & other
    def __rand__(self, other: Any) -> Any: return other & self.pinned()
    def __or__(self, other: Any) -> Any: return self.pinned() | other
    def __ror__(self, other: Any) -> Any: return other | self.pinned()
    def __xor__(self, other: Any) -> Any: return self.pinned() ^ other
    def __rxor__(self, other: Any) -> Any: return other ^ self.pinned()
    def __lshift__(self, other: Any) -> Any: return self.pinned() << other
    def __rlshift__(self, other: Any) -> Any: return other << self.pinned()
    def __rshift__(self, other: Any) -> Any: return self.pinned() >> other
    def __rrshift__(self, other: Any) -> Any: return other >> self.pinned()
    def __invert__(self) -> Any: return ~self.pinned()
    def __str__(self) -> str: return repr(self)
    def __repr__(self) -> str: return repr(self.pinned()) if self.sizes.tracing else str(self.formula)
    def __format__(self, how: str) -> str: return format(self.pinned() if self.sizes.tracing else str(self), how)
    def __copy__(self) -> Any: return self
    def __deepcopy__(self, memo: Any) -> Any: return self
    def __reduce_ex__(self, protocol: Any) -> Any: return self.kind, (self.pinned(),)
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: return np.array(self.pinned(), dtype)
    def __getattr__(self, name: str) -> Any: return getattr(self.pinned(), name)


class Size(Quantity):
    """An integer with a formula: the length of an axis, or what was computed from such."""

    __slots__ = ()

    kind = int


class Number(Quantity):
    """A float that was computed from sizes, with its formula."""

    __slots__ = ()


class OpenShape(tuple[Any, ...]):
    """A shape with open sizes. When it is compared, these are asked last: most shapes differ in what is known."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple) or len(other) != len(self):
            return False
        pairs = list(zip(self, other, strict=True))
        pairs.sort(key=lambda pair: isinstance(pair[0], Quantity) or isinstance(pair[1], Quantity))
        return all(a == b for a, b in pairs)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__


def formula_of(x: Any) -> Any:
    """The formula of a number, or the number itself if it is a float; None for what is no number."""
    if isinstance(x, Quantity):
        return x.formula
    if isinstance(x, (int, np.integer)):
        return number(int(x))
    return float(x) if isinstance(x, (float, np.floating)) else None


def is_size(x: Any) -> bool:
    """Whether a number is an integer with a formula."""
    return type(x) is Size


def combined(sizes: Sizes, function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """The result of an operator on two numbers, at least one of which has a formula."""
    left, right = formula_of(a), formula_of(b)
    if left is None or right is None:
        return NotImplemented
    if function in (operator.truediv, operator.floordiv, operator.mod) and sizes.decide(right, "==", formula_of(0)):
        raise ZeroDivisionError("division by zero")
    if isinstance(left, Formula) and isinstance(right, Formula):
        if function in (operator.add, operator.sub, operator.mul, operator.floordiv):
            return quantity(function(left, right), sizes)
        if function is operator.mod:
            return quantity(left - (left // right) * right, sizes)
        if function is operator.pow and right.constant is not None and 0 <= right.constant <= 8:
            answer = number(1)
            for _ in range(right.constant):
                answer = answer * left
            return quantity(answer, sizes)
    plain = [x.constant if isinstance(x, Formula) and x.constant is not None else x for x in (left, right)]
    return quantity(Term(function, tuple(plain)), sizes)


def quantity(formula: Any, sizes: Sizes) -> Any:
    """A number with this formula; a plain one if it depends on no size."""
    if isinstance(formula, Formula):
        return Size(formula, sizes) if formula.constant is None else formula.constant
    value = Number(formula, sizes)
    return value.pinned() if type(value.value) is not float else value


def opposite(answer: Any) -> Any:
    return answer if answer is NotImplemented else not answer


def as_length(n: Any) -> Any:
    """A number that counts something, as an integer, with its formula if it has one. TypeError if it is no integer."""
    return n if type(n) is Size else operator.index(n)


def is_open(value: Any) -> bool:
    """Whether a number with a formula stands somewhere in a setting."""
    if isinstance(value, (tuple, list)):
        return any(map(is_open, value))
    if isinstance(value, slice):
        return is_open((value.start, value.stop, value.step))
    return isinstance(value, Quantity)


def values_of(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """A shape as it is in the call that is traced. What follows from it must hold for all sizes, or be asked."""
    return tuple([n.value if isinstance(n, Quantity) else n for n in shape])


def broadcast_shapes(*shapes: tuple[Any, ...]) -> tuple[Any, ...]:
    """The shape that arrays of these shapes have together. ValueError if there is none."""
    if not any(map(is_open, shapes)):
        return np.broadcast_shapes(*shapes)
    return tuple([broadcast([shape[axis] for shape in shapes if len(shape) >= -axis], shapes)
                  for axis in range(-max(map(len, shapes)), 0)])


def broadcast(lengths: Sequence[Any], shapes: Any) -> Any:
    """The length that axes have together."""
    answer = lengths[0]
    for n in lengths[1:]:
        if n is answer or n == answer or n == 1:
            continue
        if answer != 1:
            raise ValueError(f"shape mismatch: the shapes {', '.join(map(str, shapes))} do not broadcast")
        answer = n
    return answer


__all__ = [
    "Condition", "Number", "OpenShape", "Quantity", "Size", "Sizes", "as_length", "broadcast_shapes", "is_open",
    "values_of",
]

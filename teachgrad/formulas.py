"""Formulas of sizes: polynomials with whole coefficients, in one normal form, so that equal ones are found equal.

Their variables are names, such as N, and what is left of a division that does not come out even, such as (N + 1) // 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import gcd, prod
from operator import add, floordiv, mul, neg, pow, sub, truediv
from typing import Any

Monomial = tuple[Any, ...]
"""Variables that are multiplied, in order, each as often as its power: N²T is (N, N, T)."""

SIGNS: dict[Callable[..., Any], str] = {add: "+", sub: "-", mul: "*", truediv: "/", floordiv: "//", pow: "**"}


@dataclass(frozen=True)
class Floor:
    """The variable ⌊a / b⌋."""

    a: Formula
    b: Formula

    def __str__(self) -> str:
        return f"({enclosed(self.a)} // {enclosed(self.b)})"

    def at(self, sizes: Mapping[str, int]) -> int:
        return self.a.at(sizes) // self.b.at(sizes)


@dataclass(frozen=True)
class Formula:
    """A sum of monomials with their coefficients, none of them 0, in order."""

    terms: tuple[tuple[Monomial, int], ...]

    @cached_property
    def constant(self) -> int | None:
        """The number that this is, if it depends on nothing."""
        if not self.terms:
            return 0
        return self.terms[0][1] if len(self.terms) == 1 and not self.terms[0][0] else None

    def at(self, sizes: Mapping[str, int]) -> int:
        """The value for these sizes."""
        return sum(coefficient * prod([sizes[v] if isinstance(v, str) else v.at(sizes) for v in monomial])
                   for monomial, coefficient in self.terms)

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in sorted(self.terms, key=lambda term: (-len(term[0]), list(map(str, term[0])))):
            factors = [] if abs(coefficient) == 1 and monomial else [str(abs(coefficient))]
            sign = (" - " if coefficient < 0 else " + ") if text else ("-" if coefficient < 0 else "")
            text += sign + "*".join([*factors, *map(str, monomial)])
        return text or "0"

    def __add__(self, other: Formula) -> Formula:
        return total([*self.terms, *other.terms])

    def __neg__(self) -> Formula:
        return Formula(tuple([(monomial, -coefficient) for monomial, coefficient in self.terms]))

    def __sub__(self, other: Formula) -> Formula:
        return self + -other

    def __mul__(self, other: Formula) -> Formula:
        return total([(tuple(sorted((*m, *n), key=str)), a * b) for m, a in self.terms for n, b in other.terms])

    def __floordiv__(self, other: Formula) -> Formula:
        """⌊self / other⌋ for another that is not 0. What divides evenly is divided."""
        if (whole := multiple(self, other)) is not None:
            return number(whole)
        parts = [quotient(term, other.terms[0]) for term in self.terms] if len(other.terms) == 1 else [None]
        even = total([part for part in parts if part is not None])
        rest = self - even * other
        if not rest.terms:
            return even
        if rest.constant is not None and other.constant is not None:
            return even + number(rest.constant // other.constant)
        return even + variable(Floor(rest, other))

    @cached_property
    def sides(self) -> tuple[Formula, Formula]:
        """Two formulas without negative coefficients and common factors, whose difference has the sign of this one."""
        factor = gcd(*[coefficient for _, coefficient in self.terms])
        left = [(monomial, a // factor) for monomial, a in self.terms if a > 0]
        right = [(monomial, -a // factor) for monomial, a in self.terms if a < 0]
        return Formula(tuple(left)), Formula(tuple(right))

    @cached_property
    def sign(self) -> tuple[bool, bool, bool]:
        """Whether this can be negative, zero and positive, as far as the coefficients tell: no size is negative."""
        if any(not isinstance(v, str) for monomial, _ in self.terms for v in monomial):
            return True, True, True
        fixed = next((coefficient for monomial, coefficient in self.terms if not monomial), 0)
        factor = gcd(*[coefficient for monomial, coefficient in self.terms if monomial])
        zero = not factor or fixed % factor == 0
        up = any(coefficient > 0 for monomial, coefficient in self.terms if monomial)
        down = any(coefficient < 0 for monomial, coefficient in self.terms if monomial)
        return fixed < 0 or down, zero and (fixed <= 0 or down) and (fixed >= 0 or up), fixed > 0 or up


@dataclass(frozen=True)
class Term:
    """A formula of real numbers, kept as it was written: floats would round otherwise in another order."""

    function: Callable[..., Any]
    operands: tuple[Any, ...]

    def at(self, sizes: Mapping[str, int]) -> Any:
        return self.function(*[x.at(sizes) if isinstance(x, (Formula, Term)) else x for x in self.operands])

    def __str__(self) -> str:
        parts = [enclosed(x) for x in self.operands]
        sign = SIGNS.get(self.function)
        if sign is not None and len(parts) == 2:
            return f"{parts[0]} {sign} {parts[1]}"
        return f"-{parts[0]}" if self.function is neg else f"{self.function.__name__}({', '.join(parts)})"


def enclosed(x: Any) -> str:
    """A formula or a number as an operand, in parentheses where it needs them."""
    return f"({x})" if isinstance(x, Term) or (isinstance(x, Formula) and len(x.terms) > 1) else str(x)


def total(terms: list[tuple[Monomial, int]]) -> Formula:
    """The sum of terms."""
    found: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        found[monomial] = found.get(monomial, 0) + coefficient
    kept = [(monomial, coefficient) for monomial, coefficient in found.items() if coefficient]
    return Formula(tuple(sorted(kept, key=lambda term: (len(term[0]), list(map(str, term[0]))))))


def number(value: int) -> Formula:
    """The formula of a number."""
    return total([((), value)])


def variable(name: Any) -> Formula:
    """The formula of a variable."""
    return Formula((((name,), 1),))


def multiple(a: Formula, b: Formula) -> int | None:
    """The whole number k with a = k b, if there is one."""
    if not a.terms or not b.terms or a.terms[-1][1] % b.terms[-1][1]:
        return None
    k = a.terms[-1][1] // b.terms[-1][1]
    return k if a == number(k) * b else None


def quotient(term: tuple[Monomial, int], by: tuple[Monomial, int]) -> tuple[Monomial, int] | None:
    """A term divided by another, if that comes out even."""
    left = list(term[0])
    for v in by[0]:
        if v not in left:
            return None
        left.remove(v)
    return None if term[1] % by[1] else (tuple(left), term[1] // by[1])


__all__ = ["Floor", "Formula", "Term", "multiple", "number", "total", "variable"]

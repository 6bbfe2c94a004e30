"""Sums in normal form: terms with coefficients, like terms collected, common factors taken out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

from ..op import Vertex
from ..ops.elementwise import add, multiply, negative, subtract
from ..ops.elementwise_op import lift
from .patterns import unrepeated
from .products import Product, product_of, quotient, raised

MOST_TERMS = 8


@dataclass
class Term:
    """coefficient · a product of powers. `vertex` computes it where it is as it was written, but for the sign."""

    coefficient: float
    product: Product
    vertex: Vertex | None

    def emit(self, like: Vertex, common: dict[int, int], scale: float) -> Vertex:
        """The size of the term, without its sign, without common factors and over a common number."""
        if self.vertex is not None and not common and scale == 1.0:
            return self.vertex
        rest = Product(abs(self.coefficient) / scale, factors=self.product.factors)
        rest.powers = {i: n - common.get(i, 0) for i, n in self.product.powers.items()}
        return rest.emit(like)


def terms_of(v: Vertex) -> tuple[list[Term], int] | None:
    """The terms that a vertex adds up and the number of ops that do it; None if there are too many."""
    found: list[tuple[float, Vertex]] = []
    stack, ops = [(1.0, v)], 0
    while stack:
        sign, x = stack.pop()
        x = unrepeated(x)
        if x.op is add or x.op is subtract:
            ops += 1
            stack += [(-sign if x.op is subtract else sign, x.inputs[1]), (sign, x.inputs[0])]
        elif x.op is negative:
            ops += 1
            stack.append((-sign, x.inputs[0]))
        else:
            found.append((sign, x))
        if len(stack) + len(found) > MOST_TERMS:
            return None
    terms = []
    for sign, x in found:
        product = product_of(x)
        if product is None or not product.coefficient:
            return None
        ops += product.ops
        terms.append(Term(sign * product.coefficient, product, x if product.coefficient > 0 else None))
    return terms, ops


def collected(terms: list[Term]) -> tuple[list[Term], bool]:
    """The terms with like ones added up; and whether some cancelled."""
    groups: dict[Any, list[Term]] = {}
    for term in terms:
        groups.setdefault(frozenset((x.id, n) for x, n in term.product.present()), []).append(term)
    kept, cancelled = [], False
    for group in groups.values():
        if len(group) == 1:
            kept += group
            continue
        total = sum(term.coefficient for term in group)
        if total:
            kept.append(Term(total, group[0].product, None))
        else:
            cancelled = cancelled or bool(group[0].product.powers)
    return kept, cancelled


def common_factors(terms: list[Term]) -> tuple[dict[int, int], float]:
    """The powers that every term has, and the number that is the size of every coefficient, else 1."""
    common = {x.id: n for x, n in terms[0].product.present()}
    for term in terms[1:]:
        powers = {x.id: n for x, n in term.product.present()}
        common = {i: (min if n > 0 else max)(n, powers[i]) for i, n in common.items()
                  if i in powers and (n > 0) == (powers[i] > 0)}
    sizes = {abs(term.coefficient) for term in terms}
    return common, sizes.pop() if len(sizes) == 1 else 1.0


def total_of(terms: list[Term], like: Vertex, common: dict[int, int], scale: float) -> Vertex:
    """The sum of the terms, times their common factors."""
    if not terms:
        return lift(0.0, like)
    terms = sorted(terms, key=lambda term: term.coefficient < 0)
    parts = [(term.coefficient, term.emit(like, common, scale)) for term in terms]
    sign, first = parts[0]
    result = reduce(lambda x, part: add(x, part[1]) if part[0] > 0 else subtract(x, part[1]), parts[1:],
                    first if sign > 0 else negative(first))
    factors = [(terms[0].product.factors[i], n) for i, n in common.items()]
    above = [(x, n) for x, n in factors if n > 0]
    if above:
        result = multiply(quotient(raised(*above[0]), above[1:]), result)
    result = quotient(result, [(x, n) for x, n in factors if n < 0])
    return result if scale == 1.0 else multiply(result, scale)


def leaves_of(terms: list[Term]) -> set[int]:
    """The factors of all terms, by id."""
    return {i for term in terms for i in term.product.factors}

"""Products in normal form: a number times powers of factors, in the order in which they were met.

A tree of products, quotients, signs, squares and small integer powers is flattened, so that what stands in numerator
and denominator can meet, however far apart it was written. Source: the `Canonizer` of Theano.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..op import Vertex
from ..ops.elementwise import divide, multiply, negative, power, reciprocal, square
from ..ops.elementwise_op import lift
from ..ops.shape import broadcast_to, reshape
from .patterns import number

MOST_FACTORS = 24
"""Longer products are left as they are: looking through them at every vertex would take too long."""


@dataclass
class Product:
    """coefficient · Π factor^power."""

    coefficient: float = 1.0
    powers: dict[int, int] = field(default_factory=dict)
    factors: dict[int, Vertex] = field(default_factory=dict)
    ops: int = 0
    """How many ops the tree had that was flattened."""

    def times(self, x: Vertex, exponent: int) -> None:
        """Multiply by a power of a factor."""
        self.factors.setdefault(x.id, x)
        self.powers[x.id] = self.powers.get(x.id, 0) + exponent

    def present(self) -> Iterator[tuple[Vertex, int]]:
        """The factors that have not cancelled, with their powers."""
        return ((self.factors[i], n) for i, n in self.powers.items() if n)

    @property
    def cancelled(self) -> bool:
        """Whether a factor met itself in the denominator."""
        return not all(self.powers.values())

    def cost(self) -> int:
        """How many ops it takes to compute the product."""
        powers = [n for _, n in self.present()]
        above = [n for n in powers if n > 0]
        count = len(powers) - 1 + sum(COST_OF_POWER.get(abs(n), 3) for n in powers)
        if not powers:
            return 0
        if not above and self.coefficient == 1.0:
            return count + 1
        return count + (self.coefficient != 1.0 or not above)

    def emit(self, like: Vertex) -> Vertex:
        """The product as vertices of a dtype, in the order of its factors, the first of the numerators first."""
        factors = list(self.present())
        first = next((k for k, (_, n) in enumerate(factors) if n > 0), None)
        if first is None:
            result = lift(self.coefficient, like)
            if factors and self.coefficient == 1.0:
                x, n = factors.pop(0)
                result = reciprocal(raised(x, -n))
            return quotient(result, factors)
        x, n = factors.pop(first)
        result = quotient(raised(x, n), factors)
        if self.coefficient == -1.0:
            return negative(result)
        return result if self.coefficient == 1.0 else multiply(result, self.coefficient)


def quotient(result: Vertex, factors: list[tuple[Vertex, int]]) -> Vertex:
    """A value times and over further factors, one after the other: their product alone could overflow."""
    for x, n in factors:
        result = multiply(result, raised(x, n)) if n > 0 else divide(result, raised(x, -n))
    return result


COST_OF_POWER = {1: 0, 2: 1, 3: 2, 4: 2}


def raised(x: Vertex, n: int) -> Vertex:
    """x^n for a positive integer n."""
    if n == 1:
        return x
    if n in (2, 4):
        return square(raised(x, n // 2))
    y: Vertex = multiply(square(x), x) if n == 3 else power(x, float(n))
    return y


def product_of(v: Vertex) -> Product | None:
    """A vertex of real numbers as a product; None if that has too many factors, or a number beyond the dtype."""
    product = Product()
    stack = [(v, 1)]
    while stack:
        x, exponent = stack.pop()
        if len(product.powers) + len(stack) > MOST_FACTORS:
            return None
        value = number(x)
        if value is not None and (exponent > 0 or value) and np.isfinite(value):
            with np.errstate(over="ignore", under="ignore"):  # such numbers are refused at the end
                product.coefficient *= float(np.float64(value) ** exponent)
            continue
        parts = factors_of(x)
        if parts is None:
            product.times(x, exponent)
            continue
        product.ops += not x.op.view  # type: ignore[union-attr]
        stack += [(part, exponent * n) for part, n in reversed(parts)]
    return product if is_normal(product.coefficient, v.dtype) else None


def is_normal(value: float, dtype: Any) -> bool:
    """Whether a number is 0 or can be had in a dtype with all its digits."""
    limits = np.finfo(dtype)
    return value == 0.0 or float(limits.tiny) <= abs(value) <= float(limits.max)


def factors_of(v: Vertex) -> list[tuple[Vertex, int]] | None:
    """What a vertex is the product of, with powers; None if it is no product."""
    op = v.op
    if op is multiply:
        return [(v.inputs[0], 1), (v.inputs[1], 1)]
    if op is divide:
        return [(v.inputs[0], 1), (v.inputs[1], -1)]
    if op is negative:
        return [(v.inputs[0], 1), (lift(-1.0, v), 1)]
    if op is reciprocal:
        return [(v.inputs[0], -1)]
    if op is square:
        return [(v.inputs[0], 2)]
    if op is broadcast_to:
        return [(v.inputs[0], 1)]
    if op is power:
        n = number(v.inputs[1])
        return [(v.inputs[0], int(n))] if n is not None and n == int(n) and 1 <= abs(n) <= 8 else None
    if op is reshape and only_ones(v.inputs[0].shape, v.shape):
        whole, parts = v.inputs[0].shape, factors_of(v.inputs[0])
        if parts is not None and all(x.shape == whole or number(x) is not None for x, _ in parts):
            return [(reshape(x, v.shape) if number(x) is None else x, n) for x, n in parts]
    return None


def only_ones(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether two shapes differ by axes of length 1 only."""
    return [n for n in before if n != 1] == [n for n in after if n != 1]


def tree_size(v: Vertex, leaves: Iterable[int]) -> int:
    """How many ops a tree has down to some leaves, what is used twice being counted twice."""
    stop, count, stack = set(leaves), 0, [v]
    while stack:
        x = stack.pop()
        if x.op is not None and x.id not in stop:
            count += not x.op.view
            stack += x.inputs
    return count

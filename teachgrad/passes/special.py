"""Specialise: cheaper ops for what is left once the form is settled. Strength reduction, and products of matrices."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ..op import Vertex
from ..ops.elementwise import add, divide, exp, log, multiply, power, reciprocal, sqrt, square, subtract
from ..ops.matmul import matmul
from ..ops.reductions import sum
from ..ops.shape import matrix_transpose, reshape
from .patterns import argument, exponent, fitted, is_float, number, unrepeated
from .products import is_normal, product_of
from .rules import Bound, Miss, rule

THEANO = "Theano, specialize"


@rule(divide, cost="a product takes a quarter of the time of a quotient", bound=Bound(2),
      source=f"{THEANO}: local_div_to_inv")
def divide_by_number(v: Vertex) -> Vertex | Miss | None:
    """x/c = x·(1/c) for a number c, if 1/c is a normal number."""
    x, y = v.inputs
    c = number(y)
    if c is None or number(x) is not None or not is_float(v):
        return None
    if not c or not is_normal(1.0 / c, v.dtype):
        return Miss(f"1/{c:g} is no normal number")
    return fitted(multiply(x, 1.0 / c), v)


@rule(power, cost="a power takes twenty times as long as a product", bound=Bound(4),
      source=f"{THEANO}: local_pow_specialize", domain="changes at x = -inf for roots: nan instead of inf")
def small_powers(v: Vertex) -> Vertex | None:
    """x² and x⁴ by squaring, x³ = x²·x, x⁰·⁵ = √x, x⁻¹ = 1/x, x⁻² = 1/x², x⁻⁰·⁵ = 1/√x."""
    x, y = v.inputs
    n = number(y)
    if n is None or not is_float(v):
        return None
    return fitted(SMALL_POWERS[n](x), v) if n in SMALL_POWERS else None


SMALL_POWERS: dict[float, Callable[[Any], Vertex]] = {
    2.0: square, 3.0: lambda x: multiply(square(x), x), 4.0: lambda x: square(square(x)), 0.5: sqrt,
    -0.5: lambda x: reciprocal(sqrt(x)), -1.0: reciprocal, -2.0: lambda x: reciprocal(square(x)),
}


@rule(exp, cost="two kernels less", bound=Bound(4), source=f"{THEANO}: local_exp_log",
      domain="grows at x < 0: x instead of nan")
def exp_of_log(v: Vertex) -> Vertex | None:
    """exp(log x) = x."""
    return argument(v.inputs[0], log)


@rule(multiply, divide, cost="one exponential instead of two", bound=Bound(4, terms=True),
      source="exp(x)·exp(y) = exp(x + y)", domain="grows where exp(x) or exp(y) overflows or underflows")
def product_of_exponentials(v: Vertex) -> Vertex | None:
    """exp(x)·exp(y) = exp(x + y) and exp(x)/exp(y) = exp(x - y), also with other factors between."""
    product = product_of(v) if is_float(v) else None
    if product is None:
        return None
    found = [(e, n, x) for e, n in product.present() if abs(n) == 1 and (x := exponent(e)) is not None]
    if len(found) < 2:
        return None
    found.sort(key=lambda item: item[1] < 0)
    (e, n, x), (f, m, y) = found[:2]
    if n < 0:
        return None
    product.times(e, -n)
    product.times(f, -m)
    product.times(exp(add(x, y) if m > 0 else subtract(x, y)), 1)
    return fitted(product.emit(v), v)


@rule(sum, cost="one product of matrices; the table of products is never made", bound=Bound(2, terms=True),
      source=f"{THEANO}: sums of products are dots", domain="an infinite or nan product may come out as nan or inf")
def sum_of_products(v: Vertex) -> Vertex | Miss | None:
    """Σ_k x_ik · y_kj = (x y)_ij, for any axes, where none but those summed over is in both x and y."""
    table = v.inputs[0]
    if not is_float(v) or v.dtype.itemsize < 4 or not table.size:
        return None
    if table.op is square:
        x = y = table.inputs[0]
    elif table.op is multiply:
        x, y = (unrepeated(part) for part in table.inputs)
    else:
        return None
    axes = v.attrs["axis"]
    first, second = Side(x, table.ndim, axes), Side(y, table.ndim, axes)
    if any(first.shape[a] == 1 or second.shape[a] == 1 for a in axes if table.shape[a] != 1):
        return Miss("a factor does not vary along an axis of the sum")
    both = set(first.free) & set(second.free)
    if both:
        return Miss(f"both factors vary along axis {min(both)}, which is not summed over")
    if first.free and second.free and first.free[0] > second.free[0]:
        first, second = second, first
    left, right = first.matrix(), second.matrix()
    if left is None or right is None:
        return Miss("the axes that are summed over lie between others: they would have to be moved")
    if first.free and second.free and first.free[-1] > second.free[0]:
        return Miss("the axes of the factors alternate in the result")
    if second.free:
        right = matrix_transpose(right)
    elif not first.free:
        left = reshape(left, (left.size,))
        right = reshape(right, (right.size,))
    else:
        right = reshape(right, (right.size,))
    if second.free and not first.free:
        left = reshape(left, (left.size,))
    answer = matmul(left, right)
    return reshape(answer, v.shape) if answer.shape != v.shape else answer


class Side:
    """One factor of a sum of products: which of its axes are summed over, and which remain."""

    def __init__(self, x: Vertex, ndim: int, axes: tuple[int, ...]) -> None:
        self.x = x
        self.shape = (1,) * (ndim - x.ndim) + x.shape
        self.free = [a for a in range(ndim) if a not in axes and self.shape[a] != 1]
        self.summed = [a for a in range(ndim) if a in axes and self.shape[a] != 1]

    def matrix(self) -> Vertex | None:
        """The factor as a matrix, the free axes down and the summed ones across, if it lies so or transposed."""
        n, k = prod(self.shape[a] for a in self.free), prod(self.shape[a] for a in self.summed)
        if self.free and self.summed and not (self.free[-1] < self.summed[0] or self.summed[-1] < self.free[0]):
            return None
        if self.free and self.summed and self.summed[-1] < self.free[0]:
            turned: Vertex = matrix_transpose(shaped(self.x, (k, n)))
            return turned
        return shaped(self.x, (n, k))


def shaped(x: Vertex, shape: tuple[int, ...]) -> Vertex:
    """x in a shape, itself if it has that."""
    y: Vertex = x if x.shape == shape else reshape(x, shape)
    return y

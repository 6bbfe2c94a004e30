"""Sums of products of two factors (einsum) as products of matrices.

Indices of both factors and of the result count matrices, those of one factor and of the result are rows or columns, and
those of both factors alone are summed over: z (batch, rows, columns) = x (batch, rows, summed) y (batch, summed,
columns). A factor whose indices stand in another order is copied into this one, and so is the result out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from teachgrad.executors.c.views import contiguous
from teachgrad.op import Shape
from teachgrad.ops.code import index
from teachgrad.ops.einsum import index_lengths, parts, sum_of_products

from .catalogued import Operand, Way, way_of
from .matrices import USES, multiply, worth_it
from .products import axis_name


@dataclass(frozen=True)
class Roles:
    """What the indices of two factors are."""

    batch: str
    rows: str
    columns: str
    summed: str

    @classmethod
    def of(cls, x: str, y: str, out: str) -> Roles | None:
        """The roles, if each index has one."""
        if len({*x}) < len(x) or len({*y}) < len(y) or any((i in x) != (i in y) and i not in out for i in x + y):
            return None
        batch, rows, columns = ("".join(i for i in out if (i in x, i in y) == role)
                                for role in ((True, True), (True, False), (False, True)))
        return cls(batch, rows, columns, "".join(i for i in x if i not in out))


@way_of(sum_of_products)
def contraction(way: Way) -> bool:
    """z_out = Σ x_in1 y_in2."""
    v = way.work.v
    operands, out = parts(v.attrs["subscripts"])
    if len(operands) != 2 or v.dtype.char not in "fd":
        return False
    (first, x_in), (second, y_in) = zip(("x0", "x1"), operands, strict=True)
    if next((i in y_in for i in out if (i in x_in) != (i in y_in)), False):  # rows of the result before its columns
        (first, x_in), (second, y_in) = (second, y_in), (first, x_in)
    roles = Roles.of(x_in, y_in, out)
    if roles is None:
        return False
    lengths = index_lengths(operands, [x.shape for x in v.inputs], v.attrs["subscripts"])
    b, m, n, k = (prod(lengths[i] for i in letters) for letters in (roles.batch, roles.rows, roles.columns,
                                                                    roles.summed))
    if not worth_it(way, m, n, k) or min(m, n) < USES:
        return False
    x, turned_x = factor(way, first, x_in, (roles.batch, roles.rows, roles.summed))
    y, turned_y = factor(way, second, y_in, (roles.batch, roles.summed, roles.columns))
    order = roles.batch + roles.rows + roles.columns
    z = way.result("z", b, m, n) if order == out else way.workspace(b, m, n)
    multiply(way, x.seen(b, *((k, m) if turned_x else (m, k))), y.seen(b, *((n, k) if turned_y else (k, n))), z,
             turned_x, turned_y)
    if order != out:
        put_in_order(way, z, order, out, lengths)
    return True


def factor(way: Way, name: str, letters: str, groups: Sequence[str]) -> tuple[Operand, bool]:
    """A factor with its indices in this order, and whether it is turned: with the last two groups changed over."""
    batch, first, second = groups
    for order, turned in ((batch + first + second, False), (batch + second + first, True)):
        if order == letters:
            return way.rows(name), turned
    return way.rows(name, [letters.index(i) for i in batch + first + second]), False


def put_in_order(way: Way, product: Operand, order: str, out: str, lengths: dict[str, int]) -> None:
    """Copy a result to where it is wanted, with its indices in another order."""
    shape: Shape = tuple(lengths[i] for i in out)
    k = way.threads("_in_order", 0, product=product)
    axes = [axis_name(i) for i in out]
    k.spread(axes, shape)
    steps = contiguous(tuple(lengths[i] for i in order))
    where = index(*((step, axis_name(i)) for step, i in zip(steps, order, strict=True) if lengths[i] > 1))
    k.put(k.store(k.element, f"product[{where}]"))

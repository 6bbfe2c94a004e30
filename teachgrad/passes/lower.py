"""Taking fused ops apart again, where a static graph has no use for them.

In dynamic mode an op like `linear` saves calls of Python. A static program makes no such calls; there, its parts are
better seen: each is one NumPy call into planned memory, and a transposed weight is a view that is taken once. Every
rule here lists the very NumPy calls that the op's `forward` makes, in their order, so no bit changes.
"""

from __future__ import annotations

from ..graph import constant
from ..op import Vertex
from ..ops.elementwise import add, multiply, subtract, tanh_gradient
from ..ops.made import array_or_vertex
from ..ops.matmul import OVER_ROWS, linear, matmul, matmul_nt, matmul_tn
from ..ops.pieces import PIECE
from ..ops.reductions import sum as total
from ..ops.shape import matrix_transpose, ones, sums_by_product
from ..ops.updates import sgd_update


def linear_is_matmul_and_add(v: Vertex) -> Vertex | None:
    """x Wᵀ + b as a product and a sum."""
    if v.op is not linear:
        return None
    x, weight, *bias = v.inputs
    product: Vertex = matmul(x, matrix_transpose(weight))
    return add(product, bias[0]) if bias else product


def transposed_products(v: Vertex) -> Vertex | None:
    """x @ yᵀ and xᵀ @ y as products with a view."""
    if v.op is matmul_nt:
        return matmul(v.inputs[0], matrix_transpose(v.inputs[1]))
    if v.op is matmul_tn:
        return matmul(matrix_transpose(v.inputs[0]), v.inputs[1])
    return None


def tanh_gradient_in_steps(v: Vertex) -> Vertex | None:
    """g (1 - z²) as three elementwise ops, all of which can share one place in memory."""
    if v.op is not tanh_gradient:
        return None
    g, z = v.inputs
    return multiply(g, subtract(1.0, multiply(z, z)))


def sgd_in_steps(v: Vertex) -> Vertex | None:
    """p - η d as a product and a difference; the difference can be written straight over p.

    Long ones stay whole: the op computes them piece by piece, and needs no memory for all of η d.
    """
    if v.op is not sgd_update or v.inputs[0].size > PIECE:
        return None
    p, d, lr = v.inputs
    return subtract(p, multiply(d, lr))


def sum_over_rows_is_a_product(v: Vertex) -> Vertex | None:
    """Σ over the first axis of a matrix as a product with a row of ones, as `add_rows` computes it."""
    if v.op is not total or v.attrs != OVER_ROWS or not sums_by_product(v.inputs[0]._data):
        return None
    x = v.inputs[0]
    row = array_or_vertex(ones, (x.shape[0], x.dtype), x.shape[:1])
    return matmul(row if isinstance(row, Vertex) else constant(row, v), x)


RULES = (linear_is_matmul_and_add, transposed_products, tanh_gradient_in_steps, sgd_in_steps,
         sum_over_rows_is_a_product)

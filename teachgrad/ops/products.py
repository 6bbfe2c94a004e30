"""Products of tensors by pairs of axes, all made of matmul, multiply and sum: outer, vecdot, tensordot."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ..errors import ShapeError
from ..op import Vertex
from .elementwise import multiply
from .matmul import matmul
from .reductions import sum
from .shape import normalize_axes, permute_dims, reshape


def outer(x: Vertex, y: Vertex, /) -> Any:
    """z_ij = x_i y_j, for two vectors."""
    if x.ndim != 1 or y.ndim != 1:
        raise ShapeError(f"outer takes two vectors, not shapes {x.shape} and {y.shape}")
    return multiply(reshape(x, (x.shape[0], 1)), reshape(y, (1, y.shape[0])))


def vecdot(x: Vertex, y: Vertex, /, *, axis: int = -1) -> Any:
    """z = Σ x y along one axis, which is counted from the back, broadcast over the others."""
    if axis >= 0 and x.ndim == y.ndim:
        axis -= x.ndim
    if not -min(x.ndim, y.ndim) <= axis < 0:
        raise ShapeError(f"vecdot: axis {axis} must be counted from the back and exist in {x.shape} and {y.shape}")
    if x.shape[axis] != y.shape[axis]:
        raise ShapeError(f"vecdot: shapes {x.shape} and {y.shape} differ in length along axis {axis}")
    products = multiply(x, y)
    return sum(products, axis=axis, dtype=products.dtype)


def tensordot(x: Vertex, y: Vertex, /, *, axes: int | Sequence[Sequence[int]] = 2) -> Any:
    """z = Σ x y over pairs of axes: the last `axes` of x with the first of y, or the pairs of ([of x], [of y]).

    The remaining axes of x come first, then those of y.
    """
    if isinstance(axes, int):
        if not 0 <= axes <= min(x.ndim, y.ndim):
            raise ShapeError(f"tensordot: shapes {x.shape} and {y.shape} do not have {axes} axes in common")
        first, second = tuple(range(x.ndim - axes, x.ndim)), tuple(range(axes))
    else:
        first, second = normalize_axes(tuple(axes[0]), x.ndim), normalize_axes(tuple(axes[1]), y.ndim)
    if [x.shape[a] for a in first] != [y.shape[a] for a in second]:
        raise ShapeError(f"tensordot: axes {first} of shape {x.shape} and {second} of {y.shape} differ in length")
    free_x = tuple(a for a in range(x.ndim) if a not in first)
    free_y = tuple(a for a in range(y.ndim) if a not in second)
    shape_x, shape_y = tuple(x.shape[a] for a in free_x), tuple(y.shape[a] for a in free_y)
    inner = prod(x.shape[a] for a in first)
    left = reshape(permute_dims(x, free_x + first), (prod(shape_x), inner))
    right = reshape(permute_dims(y, second + free_y), (inner, prod(shape_y)))
    return reshape(matmul(left, right), shape_x + shape_y)

"""Linear algebra (`tg.linalg`), under the names of the array API standard's extension.

All functions work on the last two axes and treat the others as a batch. Each has its gradient, to any order, where one
exists; the op cards say the formula. Matrices are float32 or float64.
"""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

import numpy as np

from .errors import ShapeError
from .op import Vertex, beside
from .ops import decompositions, joining, norms
from .ops import linalg as ops
from .ops.comparison import not_equal
from .ops.decompositions import eigvalsh, matrix_rank, pinv, svdvals
from .ops.elementwise import abs as absolute
from .ops.linalg import det, diagonal, inv, solve
from .ops.matmul import matmul
from .ops.products import outer, tensordot, vecdot
from .ops.reductions import Axes, max, min, sum
from .ops.shape import astype, broadcast_to, copy_of, matrix_transpose, moveaxis, normalize_axes, normalize_axis
from .ops.tuples import unpack
from .spelling import own_keywords


class EighResult(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """What `qr` gives."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """What `slogdet` gives."""

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """What `svd` gives."""

    U: Any
    S: Any
    Vh: Any


def cholesky(x: Vertex, /, *, upper: bool = False) -> Any:
    """The lower triangular z with z zᵀ = x, or the upper with zᵀ z = x, for symmetric positive definite x."""
    z = ops.cholesky(x)
    return matrix_transpose(z) if upper else z


def eigh(x: Vertex, /) -> EighResult:
    """Eigenvalues (ascending) and orthonormal eigenvectors (columns) of a symmetric matrix: x = v diag(w) vᵀ.

    It is the symmetric part of x that is decomposed. Gradients through eigenvectors need different eigenvalues.
    """
    return EighResult(*unpack(decompositions.eigh(x)))


def qr(x: Vertex, /, *, mode: str = "reduced") -> QRResult:
    """x = q r with orthonormal columns in q and an upper triangular r; mode="complete" makes q square."""
    return QRResult(*unpack(decompositions.qr(x, mode=mode)))


def slogdet(x: Vertex, /) -> SlogdetResult:
    """Sign and logarithm of the absolute value of the determinant: it neither overflows nor underflows."""
    return SlogdetResult(*unpack(ops.slogdet(x)))


def svd(x: Vertex, /, *, full_matrices: bool = True) -> SVDResult:
    """x = u diag(s) vh with orthonormal columns in u and rows in vh, and singular values in descending order.

    Gradients through u and vh need different singular values, and full_matrices=False unless x is square.
    """
    return SVDResult(*unpack(decompositions.svd(x, full_matrices=full_matrices)))


def matrix_power(x: Vertex, n: int, /) -> Any:
    """x multiplied with itself n times; the identity for n = 0, a power of the inverse for n < 0."""
    ops.check_matrix("matrix_power", x)
    n = operator.index(n)
    if n == 0:
        identity = beside(x, np.eye(x.shape[-1], dtype=x.dtype))
        return copy_of(broadcast_to(identity, x.shape)) if x.ndim > 2 else identity
    if n < 0:
        x, n = inv(x), -n
    result: Any = None
    while n:  # square and multiply
        if n % 2:
            result = x if result is None else matmul(result, x)
        n //= 2
        if n:
            x = matmul(x, x)
    return copy_of(result) if result is x else result


def trace(x: Vertex, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sum of the diagonal that lies `offset` above the main one."""
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def cross(x: Vertex, y: Vertex, /, *, axis: int = -1) -> Any:
    """The vector product in three dimensions: x₁y₂ - x₂y₁, x₂y₀ - x₀y₂, x₀y₁ - x₁y₀ along the axis."""
    x, y = joining.broadcast_arrays(x, y)
    axis = normalize_axis(axis, x.ndim)
    if x.ndim == 0 or x.shape[axis] != 3:
        raise ShapeError(f"cross takes vectors of length 3 along axis {axis}, not shape {x.shape}")

    def turned(v: Any, by: int) -> Any:
        return joining.roll(v, -by, axis=axis)

    return turned(x, 1) * turned(y, 2) - turned(x, 2) * turned(y, 1)


@own_keywords
def vector_norm(x: Vertex, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> Any:
    """(Σ |x|^ord)^(1/ord) over the axes, of all elements by default.

    ord = inf is the largest |x|, -inf the smallest, 0 how many are not zero (no gradient). The gradient at x = 0 is 0.
    """
    if ord == 0:
        return sum(astype(not_equal(x, 0), x.dtype), axis=axis, keepdims=keepdims)
    if math.isinf(ord):
        return (max if ord > 0 else min)(absolute(x), axis=axis, keepdims=keepdims)
    if ord == 1:
        return sum(absolute(x), axis=axis, keepdims=keepdims)
    return norms.p_norm(x, axis=axis, keepdims=keepdims, ord=ord)


def matrix_norm(x: Vertex, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """A norm of each matrix: "fro" √Σ x², "nuc" the sum of singular values, 2 (-2) the largest (smallest) of them,
    1 (-1) the largest (smallest) sum |x| of a column, inf (-inf) of a row."""
    if x.ndim < 2:
        raise ShapeError(f"matrix_norm takes matrices: at least two axes, not shape {x.shape}")
    if ord is None or ord == "fro":
        return norms.p_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        values = svdvals(x)
        z = sum(values, axis=-1) if ord == "nuc" else (max if ord == 2 else min)(values, axis=-1)
        return z[..., None, None] if keepdims else z
    if ord in (1, -1, math.inf, -math.inf):
        along = -2 if math.fabs(ord) == 1 else -1
        sums = sum(absolute(x), axis=along, keepdims=True)
        return (max if ord > 0 else min)(sums, axis=(-2, -1), keepdims=keepdims)
    raise ShapeError(f"matrix_norm: ord is one of \"fro\", \"nuc\", 1, -1, 2, -2, inf and -inf, not {ord!r}")


def norm(x: Vertex, /, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Any:
    """`vector_norm` of all elements or along one axis; `matrix_norm` over two axes.

    As NumPy and PyTorch have it; the two functions of the standard say more plainly what is meant.
    """
    if axis is None and (ord is None or (x.ndim == 1 and not isinstance(ord, str))):
        return vector_norm(x, keepdims=keepdims, ord=2 if ord is None else ord)
    axes = normalize_axes(axis, x.ndim)
    if len(axes) == 1:
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) != 2:
        raise ShapeError(f"norm: ord {ord!r} over {len(axes)} axes; use vector_norm, which takes any number")
    z = matrix_norm(moveaxis(x, axes, (-2, -1)), keepdims=keepdims, ord="fro" if ord is None else ord)
    return moveaxis(z, (-2, -1), axes) if keepdims else z


__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "norm", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot",
    "trace", "vecdot", "vector_norm",
]

"""Products of matrices: matmul, and the affine map of a linear layer as one op."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Spec, Vertex, apply
from ..sizes import broadcast_shapes
from .elementwise_op import lift
from .reductions import sum
from .shape import astype, matrix_transpose, reshape


class Matmul(Op):
    r"""z = x @ y:   z_ij = Σ_k x_ik y_kj for the last two axes, broadcast over the others

    dL/dx = g @ yᵀ,   dL/dy = xᵀ @ g.   A one-dimensional x is a row, a one-dimensional y a column.
    """

    writes_out = out_anywhere = True
    kernel = staticmethod(np.matmul)
    derivatives = ("y^T", "x^T")

    def __call__(self, x: Any, y: Any, /) -> Any:
        if not isinstance(x, Vertex):
            x = lift(x, y)
        elif not isinstance(y, Vertex):
            y = lift(y, x)
        if x._data.dtype is not y._data.dtype and x.dtype != y.dtype:
            dtype = dtypes.promote(x.dtype, y.dtype)
            x, y = astype(x, dtype, copy=False), astype(y, dtype, copy=False)
        elif x._data.dtype is dtypes.bool:
            raise no_bool(self, x, y)  # NumPy's function, which is called without detour, would take it
        return apply(self, (x, y))

    def infer(self, x: Spec, y: Spec) -> Spec:
        if not x.shape or not y.shape:
            raise ShapeError(f"matmul needs at least one axis each, got shapes {x.shape} and {y.shape}; use * for "
                             "scalars")
        if x.dtype.kind == "b":
            raise no_bool(self, x, y)
        inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
        if x.shape[-1] != inner:
            raise ShapeError(f"matmul: {x.shape} @ {y.shape}: the inner lengths {x.shape[-1]} and {inner} differ")
        lead = broadcast_shapes(x.shape[:-2], y.shape[:-2])
        return Spec((*lead, *x.shape[-2:-1], *(y.shape[-1:] if y.ndim > 1 else ())), x.dtype)

    def forward(self, xp: Any, x: Array, y: Array, out: Array | None = None) -> Array:
        return xp.matmul(x, y, out=out)

    def flops(self, z: Any, x: Any, y: Any, **attrs: Any) -> int:
        return 2 * z.size * x.shape[-1]

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        if x.ndim == 1 or y.ndim == 1:
            return self.vjp_of_vectors(g, x, y)
        gx = matmul_nt(g, y) if x.requires_grad else None
        if not y.requires_grad:
            return gx, None
        if y.ndim == 2 and x.ndim > 2:  # one big product instead of a batch of small ones and a sum over it
            x, g = as_matrix(x), as_matrix(g)
        return gx, matmul_tn(x, g)

    def vjp_of_vectors(self, g: Vertex, x: Vertex, y: Vertex) -> Any:
        row = reshape(x, (1, -1)) if x.ndim == 1 else x
        column = reshape(y, (-1, 1)) if y.ndim == 1 else y
        shape = list(g.shape)
        if x.ndim == 1:
            shape.insert(len(shape) - (y.ndim > 1), 1)
        if y.ndim == 1:
            shape.append(1)
        g = reshape(g, shape)
        gx = g @ matrix_transpose(column) if x.requires_grad else None
        gy = matrix_transpose(row) @ g if y.requires_grad else None
        if gx is not None and x.ndim == 1:
            gx = sum(gx, axis=tuple(range(gx.ndim - 1)))
        if gy is not None and y.ndim == 1:
            gy = sum(gy[..., 0], axis=tuple(range(gy.ndim - 2)))
        return gx, gy


class MatmulNT(Op):
    r"""z = x @ yᵀ, for at least two axes each,   dL/dx = g @ y,   dL/dy = gᵀ @ x"""

    name = "matmul_nt"
    writes_out = out_anywhere = True

    def __call__(self, x: Vertex, y: Vertex, /) -> Any:
        return apply(self, (x, y))

    def infer(self, x: Spec, y: Spec) -> Spec:
        return matmul.infer(x, turned(y))

    def forward(self, xp: Any, x: Array, y: Array, out: Array | None = None) -> Array:
        return xp.matmul(x, y.mT, out=out)

    def flops(self, z: Any, x: Any, y: Any, **attrs: Any) -> int:
        return 2 * z.size * x.shape[-1]

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return g @ y if x.requires_grad else None, matmul_tn(g, x) if y.requires_grad else None


class MatmulTN(Op):
    r"""z = xᵀ @ y, for at least two axes each,   dL/dx = y @ gᵀ,   dL/dy = x @ g"""

    name = "matmul_tn"
    writes_out = out_anywhere = True

    def __call__(self, x: Vertex, y: Vertex, /) -> Any:
        return apply(self, (x, y))

    def infer(self, x: Spec, y: Spec) -> Spec:
        return matmul.infer(turned(x), y)

    def forward(self, xp: Any, x: Array, y: Array, out: Array | None = None) -> Array:
        return xp.matmul(x.mT, y, out=out)

    def flops(self, z: Any, x: Any, y: Any, **attrs: Any) -> int:
        return 2 * z.size * x.shape[-2]

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return matmul_nt(y, g) if x.requires_grad else None, x @ g if y.requires_grad else None


def no_bool(op: Op, x: Any, y: Any) -> DTypeError:
    """The error for truth values: sums of products are of numbers."""
    return DTypeError(f"{op.name} of {x.dtype}{list(x.shape)} and {y.dtype}{list(y.shape)}: bool has no products.\n"
                      "Way out: astype(tg.int64) counts how many are true together; `> 0` makes truth values of that")


def turned(x: Spec) -> Spec:
    """The spec of a matrix with its last two axes exchanged."""
    return Spec((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)


class Linear(Op):
    r"""z = x Wᵀ + b, the affine map of a layer, for the last axis of x

    x (..., n), W (m, n), b (m,), z (..., m).   dL/dx = g W,   dL/dW = gᵀ x,   dL/db = Σ g over all but the last axis.
    One op instead of three: one vertex, and the bias is added in place.
    """

    writes_out = out_anywhere = True
    derivatives = ("W", "x", "1")

    def __call__(self, x: Vertex, weight: Vertex, bias: Vertex | None = None, /) -> Any:
        if not isinstance(x, Vertex):
            raise DTypeError(f"linear takes a tensor, not a {type(x).__name__}; write tg.tensor(...) around it")
        if x._data.dtype != weight._data.dtype:
            x = astype(x, dtypes.promote(x.dtype, weight.dtype), copy=False)
        elif weight._data.dtype is dtypes.bool:
            raise no_bool(self, x, weight)
        return apply(self, (x, weight) if bias is None else (x, weight, bias))

    def infer(self, x: Spec, weight: Spec, *bias: Spec) -> Spec:
        if not x.shape or weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
            raise ShapeError(f"linear: x {x.shape} and weight {weight.shape} do not fit: weight must be (out, in), and "
                             f"the last axis of x must have length `in`")
        if bias and bias[0].shape != weight.shape[:1]:
            raise ShapeError(f"linear: bias {bias[0].shape} must have the shape {weight.shape[:1]}")
        return Spec((*x.shape[:-1], weight.shape[0]), x.dtype)

    def forward(self, xp: Any, x: Array, weight: Array, *bias: Array, out: Array | None = None) -> Array:
        z = xp.matmul(x, weight.T, out=out)
        return xp.add(z, bias[0], out=z) if bias and z.ndim else z + bias[0] if bias else z

    def flops(self, z: Any, x: Any, weight: Any, *bias: Any, **attrs: Any) -> int:
        return z.size * (2 * x.shape[-1] + len(bias))

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, weight: Vertex, *bias: Vertex) -> Any:
        gx = apply(matmul, (g, weight)) if x.requires_grad else None
        if len(g.shape) != 2:
            g, x = as_matrix(g), as_matrix(x)
        gw = apply(matmul_tn, (g, x)) if weight.requires_grad else None
        if not bias:
            return gx, gw
        return gx, gw, apply(sum, (g,), OVER_ROWS) if bias[0].requires_grad else None


def as_matrix(x: Vertex) -> Any:
    """All rows of x, one below the other. Their number is said, not -1: of rows without elements it cannot be told."""
    return reshape(x, (prod(x.shape[:-1]), x.shape[-1]))


OVER_ROWS = {"axis": (0,), "keepdims": False}
matmul, matmul_nt, matmul_tn, linear = Matmul(), MatmulNT(), MatmulTN(), Linear()

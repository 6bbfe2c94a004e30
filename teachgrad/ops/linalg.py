"""Inverses, linear systems, determinants and the Cholesky decomposition of square matrices, over the last two axes.

In the gradient rules Aᵀ is the transpose of the last two axes and g the gradient of the result. They are derived from
differentials: from A A⁻¹ = I follows dA⁻¹ = -A⁻¹ dA A⁻¹, and so on.
Source: M. Giles, "An extended collection of matrix derivative results for forward and reverse mode AD" (2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Spec, Vertex, apply, beside
from ..sizes import broadcast_shapes
from .elementwise_op import lift
from .matmul import matmul
from .reductions import sum
from .shape import astype, expand_dims, matrix_transpose, squeeze


def check_matrix(name: str, x: Vertex, square: bool = True) -> None:
    """Refuse what is not a matrix (or a batch of matrices) of floating-point numbers that NumPy can decompose."""
    if x.ndim < 2:
        raise ShapeError(f"{name} takes matrices: at least two axes, not shape {x.shape}")
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name} takes square matrices, not {x.shape[-2]} by {x.shape[-1]} (shape {x.shape})")
    if x.dtype.kind != "f" or x.dtype == dtypes.float16:
        raise DTypeError(f"{name} takes float32 and float64, not {x.dtype}; write tg.astype(x, tg.float32) first")


class MatrixOp(Op):
    """An op on a square matrix, or on each of a batch of them."""

    may_fail = True

    def __call__(self, x: Vertex, /) -> Any:
        check_matrix(self.name, x)
        return apply(self, (x,))

    def infer(self, x: Spec) -> Any:
        return x


def symmetric_part(x: Any) -> Any:
    """(x + xᵀ) / 2, which is x itself, to the bit, for a symmetric x."""
    return (x + matrix_transpose(x)) * 0.5


class Inv(MatrixOp):
    r"""z = x⁻¹,   dL/dx = -zᵀ g zᵀ"""

    derivatives = ("-z (x) z^T",)

    def forward(self, xp: Any, x: Array) -> Array:
        return xp.linalg.inv(x)

    def flops(self, z: Any, x: Any, **attrs: Any) -> int:
        return 2 * x.size * x.shape[-1]

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        zt = matrix_transpose(z)
        return (-(zt @ g @ zt),)


class Solve(Op):
    r"""z = a⁻¹ b, the solution of a z = b,   dL/db = a⁻ᵀ g = h,   dL/da = -h zᵀ

    b is a matrix, each column a right-hand side, or a single vector if it has one axis.
    """

    may_fail = True
    derivatives = ("-a^-T g z^T", "a^-T")

    def __call__(self, a: Vertex, b: Any, /) -> Any:
        check_matrix(self.name, a)
        b = lift(b, a)
        if b.dtype != a.dtype:
            dtype = dtypes.promote(a.dtype, b.dtype)
            a, b = astype(a, dtype, copy=False), astype(b, dtype, copy=False)
        if b.ndim == 1:
            return squeeze(apply(self, (a, expand_dims(b, axis=-1))), -1)
        return apply(self, (a, b))

    def infer(self, a: Spec, b: Spec) -> Spec:
        if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
            raise ShapeError(f"solve: a matrix of shape {a.shape} needs {a.shape[-1]} rows on the right, not {b.shape}")
        return Spec((*broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:]), a.dtype)

    def forward(self, xp: Any, a: Array, b: Array) -> Array:
        return xp.linalg.solve(a, b)

    def vjp(self, g: Vertex, z: Vertex, a: Vertex, b: Vertex) -> Any:
        h = solve(matrix_transpose(a), g)
        return -(h @ matrix_transpose(z)) if a.requires_grad else None, h


class Det(MatrixOp):
    r"""z = det x,   dz/dx = the matrix of cofactors, which is z x⁻ᵀ where x has an inverse"""

    derivatives = ("cofactor(x)",)

    def infer(self, x: Spec) -> Spec:
        return Spec(x.shape[:-2], x.dtype)

    def forward(self, xp: Any, x: Array) -> Array:
        return xp.linalg.det(x)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g[..., None, None] * cofactor(x),)


class Cofactor(MatrixOp):
    r"""z_ij = (-1)^(i+j) times the determinant of x without row i and column j; z = det(x) x⁻ᵀ where x has an inverse

    Computed from the singular values, so that singular matrices are no exception: of x = U S Vᵀ the cofactors are
    det(U) det(V) U C Vᵀ, where C_ii is the product of all singular values but the i-th. With B = x⁻ᵀ and d = det x,
    dL/dx = d (B Σ(g B) - B gᵀ B), which does need an inverse.
    """

    derivatives = ("det(x) (b sum(g b) - b g^T b), b = x^-T",)

    def forward(self, xp: Any, x: Array) -> Array:
        u, s, vh = xp.linalg.svd(x)
        ones = xp.ones_like(s[..., :1])
        before = xp.cumprod(xp.concatenate([ones, s[..., :-1]], axis=-1), axis=-1)
        after = xp.cumprod(xp.concatenate([ones, s[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
        sign = xp.linalg.det(u) * xp.linalg.det(vh)
        return xp.matmul(u * (sign[..., None] * before * after)[..., None, :], vh).astype(x.dtype, copy=False)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        b = matrix_transpose(inv(x))
        weight = sum(g * b, axis=(-2, -1), keepdims=True)
        return (det(x)[..., None, None] * (b * weight - b @ matrix_transpose(g) @ b),)


class Slogdet(MatrixOp):
    r"""(sign, log |det x|): the determinant without overflow,   d log |det x| / dx = x⁻ᵀ"""

    may_fail = False
    derivatives = ("x^-T",)

    def infer(self, x: Spec) -> Any:
        spec = Spec(x.shape[:-2], x.dtype)
        return spec, spec

    def forward(self, xp: Any, x: Array) -> Any:
        sign, log = xp.linalg.slogdet(x)
        return xp.asarray(sign), xp.asarray(log)

    def vjp(self, g: Any, z: Vertex, x: Vertex) -> Any:
        return (g[1][..., None, None] * matrix_transpose(inv(x)) if g[1] is not None else None,)


class Cholesky(MatrixOp):
    r"""z = the lower triangular matrix with z zᵀ = x, for symmetric positive definite x

    dL/dx = (s + sᵀ) / 2 with s = z⁻ᵀ φ(zᵀ g) z⁻¹, where φ takes the lower triangle and half of the diagonal. It is the
    symmetric part of x that is decomposed.   Source: I. Murray, "Differentiation of the Cholesky decomposition" (2016).
    """

    derivatives = ("sym(z^-T phi(z^T g) z^-1)",)

    def forward(self, xp: Any, x: Array) -> Array:
        return xp.linalg.cholesky((x + x.mT) * x.dtype.type(0.5))

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        zt = matrix_transpose(z)
        phi = matmul(zt, g) * lower_half(z)
        left = solve(zt, phi)
        return (symmetric_part(matrix_transpose(solve(zt, matrix_transpose(left)))),)


def lower_half(x: Vertex) -> Any:
    """Ones below the diagonal and halves on it: what φ multiplies with."""
    n = x.shape[-1]
    return beside(x, (np.tri(n) - 0.5 * np.eye(n)).astype(x.dtype))


class Diagonal(Op):
    r"""z_i = x_(i, i + offset), for the last two axes"""

    arithmetic = 0
    needs_values = False
    derivatives = ("1 on the diagonal",)

    def __call__(self, x: Vertex, /, *, offset: int = 0) -> Any:
        if x.ndim < 2:
            raise ShapeError(f"diagonal takes matrices: at least two axes, not shape {x.shape}")
        return apply(self, (x,), {"offset": int(offset)})

    def infer(self, x: Spec, *, offset: int) -> Spec:
        rows, columns = x.shape[-2:]
        return Spec((*x.shape[:-2], max(0, min(rows + min(offset, 0), columns - max(offset, 0)))), x.dtype)

    def forward(self, xp: Any, x: Array, *, offset: int) -> Array:
        return xp.diagonal(x, offset, -2, -1).copy()

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(place_diagonal, (g,), {"offset": z.attrs["offset"], "shape": x.shape[-2:]}),)


class PlaceDiagonal(Op):
    r"""z is zero but for z_(i, i + offset) = x_i: the adjoint of `diagonal`"""

    arithmetic = 0
    needs_values = False
    derivatives = ("1 on the diagonal",)

    def infer(self, x: Spec, *, offset: int, shape: tuple[int, int]) -> Spec:
        return Spec((*x.shape[:-1], *shape), x.dtype)

    def forward(self, xp: Any, x: Array, *, offset: int, shape: tuple[int, int]) -> Array:
        z = xp.zeros((*x.shape[:-1], *shape), x.dtype)
        i = xp.arange(x.shape[-1])
        z[..., i + max(0, -offset), i + max(0, offset)] = x
        return z

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (diagonal(g, offset=z.attrs["offset"]),)


inv, solve, det, cofactor, slogdet, cholesky = Inv(), Solve(), Det(), Cofactor(), Slogdet(), Cholesky()
diagonal, place_diagonal = Diagonal(), PlaceDiagonal()

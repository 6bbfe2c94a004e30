"""Orthogonal decompositions of matrices, over the last two axes: QR, eigenvalues, singular values, pseudo-inverse.

Eigenvectors and singular vectors have a derivative where the values are all different; where two are equal the vectors
are not determined, and a gradient through them is infinite or nan. The values themselves are safe.
Source: J. Townsend, "Differentiating the singular value decomposition" (2016); for QR: S. Walter, L. Lehmann,
"Algorithmic differentiation of linear algebra functions" (2012), in the form of H.-J. Liao et al., "Differentiable
programming tensor networks" (2019); for the pseudo-inverse: G. Golub, V. Pereyra (1973).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..errors import GradientError, ShapeError
from ..op import Array, Op, Spec, Vertex, apply, beside
from .elementwise import where
from .elementwise_op import lift
from .linalg import MatrixOp, check_matrix, place_diagonal, solve, symmetric_part
from .shape import concat, matrix_transpose
from .tuples import unpack

t = matrix_transpose


def columns(x: Any) -> Any:
    """A vector of factors for the columns of a matrix: x -> x[..., None, :]."""
    return x[..., None, :]


def inverse_differences(w: Vertex) -> Any:
    """F_ij = 1 / (w_j - w_i), and 0 on the diagonal."""
    difference = w[..., None, :] - w[..., :, None]
    here = beside(w, np.eye(w.shape[-1], dtype=bool))
    return where(here, 0.0, 1.0 / where(here, 1.0, difference))


def diagonal_matrix(x: Any) -> Any:
    """The matrices with the last axis of x on their diagonals."""
    return apply(place_diagonal, (x,), {"offset": 0, "shape": (x.shape[-1], x.shape[-1])})


class Eigh(MatrixOp):
    r"""(w, v): eigenvalues in ascending order and orthonormal eigenvectors, the columns of v, of a symmetric matrix

    x = v diag(w) vᵀ.   dL/dx = v (diag(gw) + F ∘ (vᵀ gv)) vᵀ with F_ij = 1/(w_j - w_i), made symmetric. It is the
    symmetric part of x that is decomposed.
    """

    derivatives = ("sym(v (diag(gw) + f*(v^T gv)) v^T)",)

    def infer(self, x: Spec) -> Any:
        return Spec(x.shape[:-1], x.dtype), x

    def forward(self, xp: Any, x: Array) -> Any:
        w, v = xp.linalg.eigh((x + x.mT) * x.dtype.type(0.5))
        return w, v

    def vjp(self, g: Any, z: Vertex, x: Vertex) -> Any:
        gw, gv = g
        w, v = unpack(z)
        if gv is None:
            inner = v * columns(gw) @ t(v)
        else:
            middle = inverse_differences(w) * (t(v) @ gv)
            if gw is not None:
                middle = middle + diagonal_matrix(gw)
            inner = v @ middle @ t(v)
        return (symmetric_part(inner),)


class Eigvalsh(MatrixOp):
    r"""z = the eigenvalues of a symmetric matrix in ascending order,   dL/dx = v diag(g) vᵀ, v the eigenvectors"""

    derivatives = ("v diag(g) v^T",)

    def infer(self, x: Spec) -> Spec:
        return Spec(x.shape[:-1], x.dtype)

    def forward(self, xp: Any, x: Array) -> Array:
        return xp.linalg.eigvalsh((x + x.mT) * x.dtype.type(0.5))

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        _, v = unpack(eigh(x))
        return (symmetric_part(v * columns(g) @ t(v)),)


class Svd(Op):
    r"""(u, s, vh): singular values in descending order and orthonormal singular vectors, x = u diag(s) vh

    Without `full_matrices` u has as many columns, and vh as many rows, as there are singular values. With v = vhᵀ and
    F_ij = 1/(s_j² - s_i²):
    dL/dx = u (diag(gs) + (F ∘ (uᵀ gu - guᵀ u)) s + s (F ∘ (vᵀ gv - gvᵀ v))) vᵀ
            + (1 - u uᵀ) gu s⁻¹ vᵀ + u s⁻¹ gvᵀ (1 - v vᵀ).
    """

    may_fail = True
    derivatives = ("u (diag(gs) + ...) v^T",)

    def __call__(self, x: Vertex, /, *, full_matrices: bool = True) -> Any:
        check_matrix(self.name, x, square=False)
        return apply(self, (x,), {"full_matrices": bool(full_matrices)})

    def infer(self, x: Spec, *, full_matrices: bool) -> Any:
        lead, (m, n) = x.shape[:-2], x.shape[-2:]
        k = min(m, n)
        return (Spec((*lead, m, m if full_matrices else k), x.dtype), Spec((*lead, k), x.dtype),
                Spec((*lead, n if full_matrices else k, n), x.dtype))

    def forward(self, xp: Any, x: Array, *, full_matrices: bool) -> Any:
        u, s, vh = xp.linalg.svd(x, full_matrices=full_matrices)
        return u, s, vh

    def vjp(self, g: Any, z: Vertex, x: Vertex) -> Any:
        gu, gs, gvh = g
        m, n = x.shape[-2:]
        if z.attrs["full_matrices"] and m != n:
            if gu is not None or gvh is not None:
                raise GradientError(f"svd: the extra singular vectors of a {m} by {n} matrix are not determined, so "
                                    "they have no gradient.\nWay out: tg.linalg.svd(x, full_matrices=False).")
            z = svd(x, full_matrices=False)
        u, s, vh = unpack(z)
        k = min(m, n)
        if gu is None and gvh is None:
            return (u * columns(gs) @ vh,)
        v, f = t(vh), inverse_differences(s * s)
        middle: Any = diagonal_matrix(gs) if gs is not None else None
        outside: Any = None
        if gu is not None:
            inner = t(u) @ gu
            middle = total(middle, f * (inner - t(inner)) * columns(s))
            if m > k:
                outside = (gu - u @ inner) / columns(s) @ vh
        if gvh is not None:
            gv = t(gvh)
            inner = t(v) @ gv
            middle = total(middle, s[..., :, None] * (f * (inner - t(inner))))
            if n > k:
                outside = total(outside, u / columns(s) @ t(gv - v @ inner))
        return (total(u @ middle @ vh, outside),)


def total(a: Any, b: Any) -> Any:
    """a + b, where None is nothing."""
    return b if a is None else a if b is None else a + b


class Svdvals(Op):
    r"""z = the singular values in descending order,   dL/dx = u diag(g) vᵀ, u and v the singular vectors"""

    may_fail = True
    derivatives = ("u diag(g) v^T",)

    def __call__(self, x: Vertex, /) -> Any:
        check_matrix(self.name, x, square=False)
        return apply(self, (x,))

    def infer(self, x: Spec) -> Spec:
        return Spec((*x.shape[:-2], min(x.shape[-2:])), x.dtype)

    def forward(self, xp: Any, x: Array) -> Array:
        return xp.linalg.svd(x, compute_uv=False)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        u, _, vh = unpack(svd(x, full_matrices=False))
        return (u * columns(g) @ vh,)


class Qr(Op):
    r"""(q, r): orthonormal columns times an upper triangle, x = q r

    For x with at least as many rows as columns:   dL/dx = (gq + q c(m)) r⁻ᵀ with m = r grᵀ - gqᵀ q, where c copies the
    lower triangle to the upper. Of a wider matrix x = [a b], a square, r = [s qᵀb]: the rule is that of a with
    gq + b gbᵀ for gq (gb the part of gr that belongs to b), and dL/db = q gb.
    """

    may_fail = True
    derivatives = ("(gq + q copyltu(r gr^T - gq^T q)) r^-T",)

    def __call__(self, x: Vertex, /, *, mode: str = "reduced") -> Any:
        check_matrix(self.name, x, square=False)
        if mode not in ("reduced", "complete"):
            raise ShapeError(f"qr: mode is \"reduced\" or \"complete\", not {mode!r}")
        return apply(self, (x,), {"mode": mode})

    def infer(self, x: Spec, *, mode: str) -> Any:
        lead, (m, n) = x.shape[:-2], x.shape[-2:]
        k = m if mode == "complete" else min(m, n)
        return Spec((*lead, m, k), x.dtype), Spec((*lead, k, n), x.dtype)

    def forward(self, xp: Any, x: Array, *, mode: str) -> Any:
        q, r = xp.linalg.qr(x, mode=mode)
        return q, r

    def vjp(self, g: Any, z: Vertex, x: Vertex) -> Any:
        gq, gr = g
        q, r = unpack(z)
        m, n = x.shape[-2:]
        if z.attrs["mode"] == "complete" and m > n:
            raise GradientError(f"qr: the extra columns of q, for a {m} by {n} matrix, are not determined, so they "
                                "have no gradient.\nWay out: tg.linalg.qr(x, mode=\"reduced\").")
        if m >= n:
            return (self.tall(gq, gr, q, r),)
        b = x[..., m:]
        if gr is None:
            return (concat([self.tall(gq, None, q, r[..., :m]), b * 0.0], axis=-1),)
        gb = gr[..., m:]
        left = self.tall(total(gq, b @ t(gb)), gr[..., :m], q, r[..., :m])
        return (concat([left, q @ gb], axis=-1),)

    def tall(self, gq: Any, gr: Any, q: Any, r: Any) -> Any:
        """The rule for at least as many rows as columns."""
        m = r @ t(gr) if gr is not None else None
        if gq is not None:
            m = total(m, -(t(gq) @ q))
        n = r.shape[-1]
        lower = beside(r, np.tri(n, dtype=r.dtype) - 0.5 * np.eye(n, dtype=r.dtype)) * m
        inner = total(gq, q @ (lower + t(lower)))
        return t(solve(r, t(inner)))


class Pinv(Op):
    r"""z = the pseudo-inverse: x z x = x, z x z = z, and x z and z x are symmetric

    Singular values up to `rtol` times the largest count as zero (by default the largest of the sizes times the rounding
    unit). dL/dx = -zᵀ g zᵀ + (1 - x z) gᵀ z zᵀ + zᵀ z gᵀ (1 - z x), where the rank does not change.
    """

    may_fail = True
    derivatives = ("-z^T g z^T + (1 - x z) g^T z z^T + z^T z g^T (1 - z x)",)

    def __call__(self, x: Vertex, /, *, rtol: Any = None) -> Any:
        check_matrix(self.name, x, square=False)
        return apply(self, (x, tolerance(x, rtol)))

    def infer(self, x: Spec, rtol: Spec) -> Spec:
        return Spec((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)

    def forward(self, xp: Any, x: Array, rtol: Array) -> Array:
        return xp.linalg.pinv(x, rcond=rtol)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, rtol: Vertex) -> Any:
        zt, gt = t(z), t(g)
        left, right = gt @ z @ zt, zt @ z @ gt
        return -(zt @ g @ zt) + (left - x @ (z @ left)) + (right - right @ z @ x), None


class MatrixRank(Op):
    r"""z = how many singular values of x are larger than `rtol` times the largest; int64"""

    differentiable = False
    may_fail = True

    def __call__(self, x: Vertex, /, *, rtol: Any = None) -> Any:
        check_matrix(self.name, x, square=False)
        return apply(self, (x, tolerance(x, rtol)))

    def infer(self, x: Spec, rtol: Spec) -> Spec:
        return Spec(x.shape[:-2], dtypes.int64)

    def forward(self, xp: Any, x: Array, rtol: Array) -> Array:
        s = xp.linalg.svd(x, compute_uv=False)
        largest = xp.maximum.reduce(s, axis=-1, initial=0.0)
        return xp.sum(s > (largest * rtol)[..., None], axis=-1, dtype=dtypes.int64)


def tolerance(x: Vertex, rtol: Any) -> Any:
    """The tolerance for singular values, as a tensor of the dtype of x."""
    if rtol is None:
        rtol = max(x.shape[-2:]) * float(np.finfo(x.dtype).eps)
    return lift(rtol, x)


eigh, eigvalsh, svd, svdvals, qr = Eigh(), Eigvalsh(), Svd(), Svdvals(), Qr()
pinv, matrix_rank = Pinv(), MatrixRank()

"""Norms of vectors: how large they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..op import Array, Spec, Vertex, apply
from .elementwise import abs, equal, power, sign, where
from .reductions import Axes, Reduction, reduced_shape, unreduced
from .shape import normalize_axes


class VectorNorm(Reduction):
    r"""z = (Σ |x|^ord)^(1/ord) over the axes,   dz/dx = sign(x) (|x|/z)^(ord-1), and 0 where z = 0

    For ord = 2 that is √Σ x² and x/z.
    """

    derivatives = ("sign(x) (|x|/z)**(ord - 1)",)

    def __call__(self, x: Vertex, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> Any:
        if x.dtype.kind != "f":
            raise DTypeError(f"a norm of {x.dtype} is not an integer; write tg.astype(x, tg.float32) first")
        if not ord or not np.isfinite(ord):
            raise ShapeError(f"vector_norm as one op takes an ord that is finite and not 0, not {ord}")
        settings = {"axis": normalize_axes(axis, x.ndim), "keepdims": bool(keepdims), "ord": float(ord)}
        return apply(self, (x,), settings)

    def infer(self, x: Spec, *, axis: tuple[int, ...], keepdims: bool, ord: float = 2.0) -> Spec:
        return Spec(reduced_shape(x.shape, axis, keepdims), x.dtype)

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...], keepdims: bool, ord: float,
                out: Array | None = None) -> Array:
        if ord == 2.0:
            z = xp.asarray(xp.add.reduce(xp.multiply(x, x), axis=axis, keepdims=keepdims, out=out))
            return xp.sqrt(z, out=z)
        z = xp.asarray(xp.add.reduce(xp.power(xp.abs(x), x.dtype.type(ord)), axis=axis, keepdims=keepdims, out=out))
        return xp.power(z, x.dtype.type(1.0 / ord), out=z)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        g, size, ord = unreduced(g, z, x), unreduced(z, z, x), z.attrs["ord"]
        safe: Any = where(equal(size, 0.0), 1.0, size)  # then x is 0 too, and so is the answer, which 0/0 would not be
        if ord == 2.0:
            return (x * (g / safe),)
        share: Any = abs(x) / safe
        return (g * (sign(x) * power(where(equal(x, 0.0), 1.0, share), ord - 1.0)),)


p_norm = VectorNorm()

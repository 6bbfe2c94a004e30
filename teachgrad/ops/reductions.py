"""Reductions: many elements become one, along some axes.

The gradient of a reduction spreads over the axes that were reduced, so every rule first puts those axes back with
length 1 (`unreduced`) and then broadcasts.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from math import prod as product
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Shape, Spec, Vertex, apply
from .elementwise import equal, where
from .shape import add_rows, astype, broadcast_to, normalize_axes, reshape

Axes = int | Sequence[int] | None


def reduced_shape(shape: Shape, axis: tuple[int, ...], keepdims: builtins.bool) -> Shape:
    """`shape` after reducing the axes: lengths 1 if they are kept, else gone."""
    if keepdims:
        return tuple(1 if i in axis else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axis)


def unreduced(v: Vertex, z: Vertex, x: Vertex) -> Vertex:
    """A value of the shape of `z` with the reduced axes of `x` put back as axes of length 1."""
    if z.attrs["keepdims"] or not v.shape:
        return v
    return reshape(v, reduced_shape(x.shape, z.attrs["axis"], True))


class Reduction(Op):
    """An op that reduces the axes named by `axis` (all of them for None)."""

    writes_out = True
    c_start: str = ""
    """The C expression with which a running result begins; empty if the op has no loop in generated C."""
    c_step: str = ""
    """The C expression of the next running result, of {z}, the present one, and {x}, an element."""
    needs_elements = False
    """Whether an empty reduction has no answer (the largest of nothing)."""

    def __call__(self, x: Vertex, /, *, axis: Axes = None, keepdims: builtins.bool = False) -> Any:
        return apply(self, (x,), {"axis": normalize_axes(axis, x.ndim), "keepdims": builtins.bool(keepdims)})

    def infer(self, x: Spec, *, axis: tuple[int, ...], keepdims: builtins.bool) -> Spec:
        if self.needs_elements and any(x.shape[a] == 0 for a in axis):
            raise ShapeError(f"{self.name} of no elements: shape {x.shape} is empty along axis {axis}")
        return Spec(reduced_shape(x.shape, axis, keepdims), x.dtype)


class Sum(Reduction):
    r"""z = Σ x over the axes,   dz/dx = 1

    Small integers and booleans are summed as int64 (unsigned ones as uint64), as the array API standard asks.
    """

    derivatives = ("1",)
    c_start, c_step = "0", "{z} + {x}"

    def __call__(self, x: Vertex, /, *, axis: Axes = None, dtype: Any = None, keepdims: builtins.bool = False) -> Any:
        x = summable(x, dtype)
        return apply(self, (x,), {"axis": normalize_axes(axis, x.ndim), "keepdims": builtins.bool(keepdims)})

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...], keepdims: builtins.bool,
                out: Array | None = None) -> Array:
        if axis == (0,) and x.ndim == 2 and not keepdims:
            return add_rows(xp, x, out)
        return xp.add.reduce(x, axis=axis, dtype=x.dtype, keepdims=keepdims, out=out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (broadcast_to(unreduced(g, z, x), x.shape),)


class Mean(Reduction):
    r"""z = Σ x / n, with n the number of elements that are averaged,   dz/dx = 1/n"""

    derivatives = ("1/n",)

    def __call__(self, x: Vertex, /, *, axis: Axes = None, keepdims: builtins.bool = False) -> Any:
        if x.dtype.kind != "f":
            raise DTypeError(f"mean of {x.dtype} is not an integer; write tg.astype(x, tg.float32) first")
        return super().__call__(x, axis=axis, keepdims=keepdims)

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...], keepdims: builtins.bool,
                out: Array | None = None) -> Array:
        n = product(x.shape[a] for a in axis)
        total = xp.asarray(xp.add.reduce(x, axis=axis, keepdims=keepdims, out=out))
        if not n:
            return xp.multiply(total, x.dtype.type(np.nan), out=total)
        return xp.divide(total, x.dtype.type(n), out=total)

    def parts(self, z: Vertex, x: Vertex) -> Any:
        return sum(x, **z.attrs) / product(x.shape[a] for a in z.attrs["axis"])

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        n = product(x.shape[a] for a in z.attrs["axis"])
        return (broadcast_to(unreduced(g, z, x) / n, x.shape),)


class Extremum(Reduction):
    """The largest or smallest element; the gradient is shared equally among all elements that attain it."""

    needs_elements = True
    ufunc: str

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...], keepdims: builtins.bool,
                out: Array | None = None) -> Array:
        return getattr(xp, self.ufunc).reduce(x, axis=axis, keepdims=keepdims, out=out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        hit = equal(x, unreduced(z, z, x))
        share = unreduced(g, z, x) / astype(sum(hit, axis=z.attrs["axis"], keepdims=True), x.dtype)
        return (where(hit, share, 0.0),)


class Max(Extremum):
    r"""z = the largest x along the axes,   dz/dx = 1/k for each of the k elements that attain it, else 0"""

    ufunc = "maximum"
    derivatives = ("(x == z)/k",)
    c_start, c_step = "-INFINITY", "{x} > {z} || {x} != {x} ? {x} : {z}"


class Min(Extremum):
    r"""z = the smallest x along the axes,   dz/dx = 1/k for each of the k elements that attain it, else 0"""

    ufunc = "minimum"
    derivatives = ("(x == z)/k",)
    c_start, c_step = "INFINITY", "{x} < {z} || {x} != {x} ? {x} : {z}"


def summable(x: Vertex, dtype: Any = None) -> Vertex:
    """`x` in the dtype in which it is summed or multiplied up."""
    if dtype is None:
        if x.dtype.kind == "f":
            return x
        dtype = dtypes.uint64 if x.dtype.kind == "u" else dtypes.int64
    return astype(x, dtype, copy=False)


sum, mean, max, min = Sum(), Mean(), Max(), Min()

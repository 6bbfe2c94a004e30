"""Repeating, shifting, taking apart: moves of whole slices, and differences of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes, sizes
from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Spec, Vertex, apply, beside
from ..spelling import own_keywords
from .comparison import not_equal
from .cumulative import along
from .elementwise import subtract
from .elementwise_op import lift
from .indexing import take
from .shape import astype, broadcast_to, concat, normalize_axis, reshape, stack
from .tuples import Pieces, unpack


def broadcast_arrays(*arrays: Vertex) -> list[Any]:
    """The tensors, all broadcast to the shape that they have in common."""
    try:
        shape = sizes.broadcast_shapes(*[x.shape for x in arrays])
    except ValueError:
        raise ShapeError(f"shapes {', '.join(str(x.shape) for x in arrays)} do not broadcast to one") from None
    return [broadcast_to(x, shape) for x in arrays]


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that tensors of these shapes are broadcast to."""
    try:
        return sizes.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"shapes {', '.join(map(str, shapes))} do not broadcast to one") from None


class Roll(Op):
    r"""z_i = x_(i - shift) along the axes: what is pushed out at the end comes in at the front"""

    arithmetic = 0
    needs_values = False
    derivatives = ("1 for j = i - shift",)

    def __call__(self, x: Vertex, /, shift: int | Sequence[int], *, axis: int | Sequence[int] | None = None) -> Any:
        shifts = tuple(shift) if isinstance(shift, Sequence) else (shift,)
        if axis is None:
            if len(shifts) != 1:
                raise ShapeError(f"roll: shifts {shifts} need as many axes")
            return reshape(apply(self, (reshape(x, (-1,)),), {"shift": shifts, "axis": (0,)}), x.shape)
        axes = tuple(axis) if isinstance(axis, Sequence) else (axis,) * len(shifts)
        if len(axes) != len(shifts):
            raise ShapeError(f"roll: {len(shifts)} shifts and {len(axes)} axes")
        return apply(self, (x,), {"shift": tuple(sizes.as_length(s) for s in shifts),
                                  "axis": tuple(normalize_axis(a, x.ndim) for a in axes)})

    def infer(self, x: Spec, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> Spec:
        return x

    def forward(self, xp: Any, x: Array, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> Array:
        return xp.roll(x, shift, axis)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(self, (g,), {"shift": tuple(-s for s in z.attrs["shift"]), "axis": z.attrs["axis"]}),)


roll = Roll()


def tile(x: Vertex, repetitions: int | Sequence[int], /) -> Any:
    """x laid side by side: repetitions[k] times along axis k. The shorter of shape and repetitions is led by ones."""
    counts = tuple(repetitions) if isinstance(repetitions, (tuple, list)) else (repetitions,)
    ndim = max(x.ndim, len(counts))
    counts, shape = (1,) * (ndim - len(counts)) + counts, (1,) * (ndim - x.ndim) + x.shape
    apart = reshape(x, [n for length in shape for n in (1, length)])
    wide = broadcast_to(apart, [n for pair in zip(counts, shape, strict=True) for n in pair])
    return reshape(wide, [count * length for count, length in zip(counts, shape, strict=True)], copy=True)


@own_keywords
def repeat(x: Vertex, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Each slice of x along the axis, `repeats` times in a row; each its own number of times for a list of numbers.

    Without an axis, x is taken in row-major order as if it had one. Numbers in a tensor make a shape that depends on
    values, which a static graph cannot have; give a list or an array there.
    """
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalize_axis(axis, x.ndim)
    if isinstance(repeats, Vertex):
        if repeats.dtype.kind not in "iu":
            raise DTypeError(f"repeat: the repeats must be integers, not {repeats.dtype}")
        return take(x, apply(repeated_places, (repeats,), {"length": x.shape[axis]}), axis=axis)
    if isinstance(repeats, (list, tuple, np.ndarray)):
        places = repeated_places.forward(np, np.asarray(repeats), length=x.shape[axis])
        return take(x, beside(x, places), axis=axis)
    wide = (*x.shape[:axis + 1], sizes.as_length(repeats), *x.shape[axis + 1:])
    apart = broadcast_to(reshape(x, (*x.shape[:axis + 1], 1, *x.shape[axis + 1:])), wide)
    return reshape(apart, (*x.shape[:axis], x.shape[axis] * wide[axis + 1], *x.shape[axis + 1:]), copy=True)


class RepeatedPlaces(Op):
    r"""z = 0, ..., 0, 1, ..., 1, ...: the index i as often as repeats_i says"""

    arithmetic = 0
    differentiable = False

    def infer(self, repeats: Spec, *, length: int) -> Spec:
        raise ShapeError("the length of the result depends on how often each element is repeated, which are values")

    def forward(self, xp: Any, repeats: Array, *, length: int) -> Array:
        return xp.repeat(xp.arange(length, dtype=dtypes.int64), repeats)


repeated_places = RepeatedPlaces()


class Unstack(Op):
    r"""z_i = x[..., i, ...], every slice along an axis as a result of its own;   the gradients are stacked again

    One op, and not one index for each slice: so the gradients are put together once, and not added up one by one in
    arrays of the size of x.
    """

    arithmetic = 0
    needs_values = False
    derivatives = ("1",)

    def __call__(self, x: Vertex, /, *, axis: int = 0) -> tuple[Any, ...]:
        if x.ndim == 0:
            raise ShapeError("unstack needs at least one axis")
        axis = normalize_axis(axis, x.ndim)
        return unpack(apply(self, (x,), {"axis": axis})) if x.shape[axis] else ()

    def infer(self, x: Spec, *, axis: int) -> tuple[Spec, ...]:
        return (Spec((*x.shape[:axis], *x.shape[axis + 1:]), x.dtype),) * x.shape[axis]

    def forward(self, xp: Any, x: Array, *, axis: int) -> tuple[Array, ...]:
        slices = xp.moveaxis(x, axis, 0).copy()
        return tuple([slices[i:i + 1].reshape(slices.shape[1:]) for i in range(len(slices))])

    def parts(self, z: Any, x: Any) -> Any:
        return Pieces(lambda k: x[(slice(None),) * z.attrs["axis"] + (k, ...)])

    def vjp(self, g: Any, z: Vertex, x: Vertex) -> Any:
        axis = z.attrs["axis"]
        shape = (*x.shape[:axis], *x.shape[axis + 1:])
        parts = [broadcast_to(lift(0.0, x), shape) if part is None else part for part in g]
        return (stack(parts, axis=axis),)


unstack = Unstack()


@own_keywords
def diff(x: Vertex, /, *, axis: int = -1, n: int = 1, prepend: Vertex | None = None,
         append: Vertex | None = None) -> Any:
    """x_(i+1) - x_i along the axis, n times over. `prepend` and `append` are joined to x first.

    Of truth values, whether neighbours differ.
    """
    if x.ndim == 0:
        raise ShapeError("diff needs at least one axis")
    if n < 0:
        raise ShapeError(f"diff cannot be taken {n} times")
    axis = normalize_axis(axis, x.ndim)
    parts = [part for part in (prepend, x, append) if part is not None]
    x = concat(parts, axis=axis) if len(parts) > 1 else x
    if n == 0:
        return astype(x, x.dtype)
    for _ in range(n):
        minus = not_equal if x.dtype.kind == "b" else subtract
        x = minus(x[along(axis, slice(1, None))], x[along(axis, slice(None, max(0, x.shape[axis] - 1)))])
    return x
